import type { JsonObject } from './json.ts';

/** Ordered from harmless to grave: inference and server annotations may only move a tool to the right. */
export const RISKS = ['discovery', 'read', 'write', 'external', 'destructive', 'admin'] as const;
export type Risk = (typeof RISKS)[number];

/** One tool of one server, as the catalog pinned it. */
export interface Tool {
  readonly server: string;
  /** The server's own name for it. */
  readonly name: string;
  /** `server__name`: what policy, the aggregate endpoint and `POST /tool` call it. */
  readonly id: string;
  readonly risk: Risk;
  /** SHA-256, hex, of the full definition in canonical JSON (RFC 8785). */
  readonly digest: string;
  /** The definition as the server sent it, byte for byte. */
  readonly definition: string;
  readonly inputSchema: JsonObject;
}

/** What a call is aimed at. Exactly one per call; everything later stages judge hangs on it. */
export interface Target {
  /** `server__tool`, or `server:method` for what is not a tool; `gateway:method` when the gateway itself answers. */
  readonly id: string;
  /** null: the gateway itself. */
  readonly server: string | null;
  readonly method: string;
  /** The tool's or prompt's own name on that server, or the resource's URI. */
  readonly name: string | null;
  readonly risk: Risk;
  readonly tool: Tool | null;
  /** mirror: same era over HTTP, bytes pass unchanged; own: the gateway speaks for itself; local: no server is asked. */
  readonly lane: 'mirror' | 'own' | 'local';
  /** How long dispatch may take, ms; null: a stream, open until someone closes it. */
  readonly timeoutMs: number | null;
}
