import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';

/** What the user of a client says when a server asks; undefined: the client does not declare that it can ask. */
export type User = ((question: { readonly message: string }) => { readonly action: 'accept' | 'decline'; readonly content?: Record<string, string | number | boolean> }) | undefined;
export interface Progress { readonly progress: number; readonly total?: number | undefined }
export interface CallOptions {
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}
/** The official client of one era, behind the few methods that tests use. Every method gives the result as the SDK hands it out. */
export interface OfficialClient {
  readonly version: () => string | undefined;
  readonly tools: () => Promise<readonly string[]>;
  readonly call: (name: string, args: Record<string, unknown>, options?: CallOptions) => Promise<CallResult>;
  readonly read: (uri: string) => Promise<unknown>;
  readonly prompt: (name: string, args: Record<string, string>) => Promise<unknown>;
  readonly close: () => Promise<void>;
}
export interface CallResult { readonly content: readonly { readonly type: string; readonly text?: string }[]; readonly isError?: boolean | undefined }
export const textOf = (result: CallResult): string => result.content.map(({ text }) => text ?? '').join('');

const WAIT_MS = 60_000;
const limits = (options: CallOptions): object => ({ timeout: WAIT_MS, ...(options.signal === undefined ? {} : { signal: options.signal }), ...(options.onProgress === undefined ? {} : { onprogress: options.onProgress }) });

/** SDK v2, which speaks 2026-07-28 here and nothing else. */
export async function modernClient(url: string, key: string, user?: User): Promise<OfficialClient> {
  const client = new ModernClient({ name: 'sdk-v2', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } }, capabilities: user === undefined ? {} : { elicitation: { form: {} } } });
  if (user !== undefined) client.setRequestHandler('elicitation/create', async ({ params }) => user(params) as never);
  await client.connect(new ModernTransport(new URL(url), { requestInit: { headers: { 'x-api-key': key } } }));
  return {
    version: () => client.getNegotiatedProtocolVersion(),
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args, options = {}) => (await client.callTool({ name, arguments: args }, limits(options))) as CallResult,
    read: (uri) => client.readResource({ uri }),
    prompt: (name, args) => client.getPrompt({ name, arguments: args }),
    close: () => client.close(),
  };
}

/** SDK v1: 2025-11-25 over Streamable HTTP, or over the HTTP+SSE transport of 2024-11-05. */
export async function legacyClient(url: string, key: string, user?: User, transport: 'streamable' | 'sse' = 'streamable'): Promise<OfficialClient> {
  const client = new LegacyClient({ name: 'sdk-v1', version: '1' }, { capabilities: user === undefined ? {} : { elicitation: {} } });
  if (user !== undefined) client.setRequestHandler(ElicitRequestSchema, async ({ params }) => user(params) as never);
  const init = { requestInit: { headers: { 'x-api-key': key } } };
  let version: string | undefined;
  const carrier = transport === 'sse' ? new SSEClientTransport(new URL(url), init) : new LegacyTransport(new URL(url), init);
  const told = carrier.setProtocolVersion?.bind(carrier);
  carrier.setProtocolVersion = (negotiated: string) => {
    version = negotiated;
    told?.(negotiated);
  };
  await client.connect(carrier as never);
  return {
    version: () => version,
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args, options = {}) => (await client.callTool({ name, arguments: args }, undefined, limits(options))) as CallResult,
    read: (uri) => client.readResource({ uri }),
    prompt: (name, args) => client.getPrompt({ name, arguments: args }),
    close: () => client.close(),
  };
}
