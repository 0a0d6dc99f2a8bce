import { z } from 'zod';
import { SECRET_FLAG } from '../secrets/index.ts';
import { type Checked, checkText } from './check.ts';
import { ALWAYS, type Converted, issue, twice } from './import-parts.ts';

/** `${NAME}` and nothing else: a default after `:-` would be a literal, a literal is a secret in a file (CWE-798). */
const VARIABLE = /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/;
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1|\[::1\])$/;

const server = z.strictObject({
  transport: z.string().refine((name) => /^(?:streamable[-_]?http|https?|sse)$/i.test(name), issue('only HTTP is served; a stdio transport has no caller to authenticate', 'transport: streamable-http')).optional(),
  // CWE-1327: a listener on every interface shows the gateway, without TLS, to the whole network.
  host: z.string().refine((host) => LOOPBACK.test(host), issue('beyond this machine the gateway needs TLS, which this format cannot say; import for loopback, then set up receive', 'host: 127.0.0.1')).default('127.0.0.1'),
  port: z.int().min(1).max(65_535).default(8080),
});
const EXAMPLE = { id: 'agent', key: '${AGENT_API_KEY}', scopes: ['github:read'] };
const key = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$/, { error: 'must be 1 to 128 of A-Z a-z 0-9 . _ @ -, the first a letter or digit' }),
  key: z.string().refine((text) => VARIABLE.test(text), issue('a key never stands in the file: name an environment variable, without a default', 'key: "${AGENT_API_KEY}"')).meta({ [SECRET_FLAG]: true }),
  // CWE-250: a wildcard holds every scope that will ever exist.
  scopes: z.array(z.string().min(1).max(256).refine((scope) => !/[*?]|^(?:all|any|full|full_access|root|superuser)$/i.test(scope), issue('a wildcard scope is not carried over; name each scope', '- github:read'))).max(256).default([]),
});
const keysFormat = z.strictObject({
  server: server.prefault({}),
  auth: z.strictObject({
    type: z.string({ error: 'there is no anonymous mode' }).refine((type) => /^api[-_]?key$/i.test(type), issue('must be api_key; without authentication nothing is served, and other kinds are not in this format', 'type: api_key')).meta({ examples: ['api_key'] }),
    keys: z.array(key).min(1).superRefine((keys, ctx) => {
      twice(keys, 'id', 'stands here for the second time', ctx);
      twice(keys, 'key', 'two callers with one key cannot be told apart', ctx);
    }, ALWAYS).meta({ examples: [[EXAMPLE]] }),
  }).meta({ examples: [{ type: 'api_key', keys: [EXAMPLE] }] }),
});

/** Format (a): `server: {transport, host, port}` and `auth: {type: api_key, keys: [{id, key: "${VAR}", scopes}]}`. */
export function importKeys(text: string, file: string): Checked<Converted> {
  const checked = checkText(text, file, { schema: keysFormat, cross: [], secrets: null });
  if (!checked.ok) return checked;
  const { server: from, auth } = checked.config;
  const api_keys = auth.keys.map((each) => ({ id: each.id, secret: `env:${VARIABLE.exec(each.key)?.[1]}`, scopes: each.scopes }));
  const host = from.host === 'localhost' ? '127.0.0.1' : from.host.replace(/^\[(.*)\]$/, '$1');
  const notes = [
    'Add your servers under dispatch.servers. A scope is `<server>:read` or `<server>:write`; the names before the colon must be those of your servers.',
    ...(/^sse$/i.test(from.transport ?? '') ? ['The SSE transport is not served; clients use Streamable HTTP at /mcp.'] : []),
    ...auth.keys.filter((each) => each.scopes.length === 0).map((each) => `The key ${each.id} has no scopes and may only list.`),
  ];
  return { ok: true, config: { sections: { receive: { host, port: from.port }, authenticate: { api_keys } }, notes } };
}
