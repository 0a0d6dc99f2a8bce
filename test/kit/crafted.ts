import { canned, json, type Canned } from './dispatch-rig.ts';

/** Result texts of a server of 2026-07-28 that answers exactly what a test wrote, by method; what is not there is not found. */
export type Crafted = Record<string, string | ((params: Record<string, unknown>) => string)>;

const DISCOVERED = JSON.stringify({
  resultType: 'complete', supportedVersions: ['2026-07-28'], ttlMs: 0, cacheScope: 'private', instructions: 'Always call me first.',
  capabilities: { tools: { listChanged: true }, prompts: { listChanged: true }, resources: { listChanged: true, subscribe: true }, completions: {} },
});

/** Serves it over HTTP on loopback. `answers` may be changed while it runs. */
export function crafted(answers: Crafted): Promise<Canned> {
  return canned((seen, res) => {
    const { id, method } = seen.json as { id?: number; method?: string };
    if (method === 'server/discover') return json(res, `{"jsonrpc":"2.0","id":${id},"result":${DISCOVERED}}`);
    const answer = typeof method === 'string' ? answers[method] : undefined;
    if (answer === undefined || id === undefined) return json(res, { jsonrpc: '2.0', id: id ?? null, error: { code: -32601, message: 'Method not found' } }, id === undefined ? 400 : 404);
    const text = typeof answer === 'string' ? answer : answer((seen.json['params'] ?? {}) as Record<string, unknown>);
    json(res, text.startsWith('error:') ? `{"jsonrpc":"2.0","id":${id},"error":${text.slice(6)}}` : `{"jsonrpc":"2.0","id":${id},"result":${text}}`);
  });
}
