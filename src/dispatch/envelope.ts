import { withFirst } from '../lib/json-spans.ts';

/** The revision of each era that the gateway itself speaks to servers. */
export const MODERN = '2026-07-28';
export const LEGACY = '2025-11-25';
/** Legacy revisions that this release can speak, newest first. */
export const LEGACY_VERSIONS: readonly string[] = [LEGACY, '2025-06-18', '2025-03-26'];

/** How the gateway introduces itself to both sides. Self-reported: nobody may trust it. */
export const SELF = { name: 'sallyport', title: 'Sallyport', version: '0.1.0' } as const;
export const SELF_TEXT = JSON.stringify(SELF);

/** What every modern request carries (MCP 2026-07-28 base protocol). No capability: nobody is asked anything in the own lane. */
const ENVELOPE = `"io.modelcontextprotocol/protocolVersion":"${MODERN}","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":${SELF_TEXT}`;

/** A request's text, in the era of the server. `params` has no `_meta`. */
export function requestText(id: number, method: string, params: string, era: 'modern' | 'legacy', progressToken: boolean): string {
  const token = progressToken ? `"progressToken":${id}` : '';
  const meta = era === 'modern' ? `${ENVELOPE}${token === '' ? '' : `,${token}`}` : token;
  const text = meta === '' ? params : withFirst(params, `"_meta":{${meta}}`);
  return `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)},"params":${text}}`;
}

export const INITIALIZE_PARAMS = `{"protocolVersion":"${LEGACY}","capabilities":{},"clientInfo":${SELF_TEXT}}`;
export const INITIALIZED = '{"jsonrpc":"2.0","method":"notifications/initialized"}';
export const cancelled = (id: number): string => `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id}}}`;
