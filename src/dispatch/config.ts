import { z } from 'zod';
import { dangerousCommand, dangerousVariable } from '../sandbox/index.ts';
import { secretRef } from '../secrets/index.ts';

const ms = z.int().min(1).max(86_400_000);

/** Names that carry credentials, in headers and environments. A literal there would end up in backups and repositories (CWE-798). */
const SECRET_NAME = /auth(?!or)|token|secret|passw|credential|cookie|(?:^|[-_])keys?(?:$|[-_])|api[-_]?key/i;
/** Values that look like credentials whatever their name: schemes, well-known prefixes, long runs without a space. */
const SECRET_VALUE = /^(?:bearer|basic|token|digest)\s|^(?:sk|pk|ghp|gho|ghs|glpat|xox[abp]|AKIA|eyJ)[-_A-Za-z0-9]{6,}|^[A-Za-z0-9+_=-][A-Za-z0-9+/_=-]{39,}$/i;
/** Numbers and switches are no credentials whatever their name (MAX_TOKENS=1000). */
const HARMLESS = /^(?:\d{0,10}|true|false|yes|no|on|off)$/i;
const looksSecret = (name: string, value: string): boolean => !HARMLESS.test(value) && (SECRET_NAME.test(name) || SECRET_VALUE.test(value.trim()));

/** Headers that dispatch writes itself; one from the config would contradict the message (MCP 2026-07-28 transports, header mismatch). */
const OWN_HEADER = /^(?:content-.*|accept|accept-encoding|host|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|proxy-.*|mcp-.*|last-event-id)$/i;

const bySecret = z.strictObject({
  secret: secretRef.describe('Where the value is: `env:NAME` or `file:PATH`, read at the moment of use.'),
  prefix: z.string().max(64).regex(/^[\x20-\x7e]*$/).default('').describe('Text put before the value, for example `Bearer ` with its space; none by default.'),
});
const literalOrSecret = z.union([z.string().max(4096).regex(/^[\t\x20-\x7e]*$/, { error: 'must be printable ASCII' }), bySecret]);

function literals(kind: string) {
  return (record: Record<string, z.infer<typeof literalOrSecret>>, ctx: z.RefinementCtx): void => {
    for (const [name, value] of Object.entries(record)) {
      if (typeof value === 'string' && looksSecret(name, value)) {
        ctx.addIssue({ code: 'custom', path: [name], message: `this ${kind} looks like a credential, which never stands in this file: write {secret: 'env:NAME'}` });
      }
    }
  };
}
const headers = z.record(
  z.string().max(128).regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, { error: 'must be a header name' }).refine((n) => !OWN_HEADER.test(n), { error: 'is a header that the gateway writes itself' }),
  literalOrSecret,
).superRefine(literals('header'));
const environment = z.record(z.string().max(128).regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: 'must be the name of an environment variable' }), literalOrSecret).superRefine(literals('variable'));

/** What a client may declare that lets a server ask it for something (MCP client features). */
export const CLIENT_CAPABILITIES = ['elicitation', 'sampling', 'roots'] as const;

const server = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).max(2048).optional().describe('URL of a Streamable HTTP endpoint, `https://…`; either this or `command`.'),
  command: z.array(z.string().min(1).max(4096).regex(/^[^\0]*$/)).min(1).max(256).optional().describe('Program and arguments of a stdio server, run without a shell; either this or `url`.'),
  allow_shell: z.boolean().default(false).describe('Lets a stdio server be started through a shell or with variables that load foreign code; off by default.'),
  cwd: z.string().min(1).max(4096).optional().describe('Working folder of a stdio server, relative to the config file; by default a folder of its own.'),
  env: environment.prefault({}).describe('Environment variables of a stdio server, each a literal or a reference to a secret; it inherits none of the gateway’s.'),
  era: z.enum(['auto', 'modern', 'legacy']).default('auto').describe('Protocol era of the server: `auto` (default) asks it; `modern` is 2026-07-28, `legacy` is 2025-11-25 and older.'),
  transport: z.enum(['auto', 'streamable', 'sse']).default('auto').describe('How an HTTP server is spoken to: `streamable` HTTP, `sse` for 2024-11-05 servers with a separate event stream; `auto` (default) finds out.'),
  processes: z.enum(['shared', 'per_caller']).default('shared')
    .describe('Processes of a stdio server: one `shared` by all callers (default), which is never told that a client can be asked; or one `per_caller`, so that it can ask.'),
  headers: headers.prefault({}).describe('Headers sent with every request to an HTTP server, the gateway’s own credential among them, as a reference to a secret.'),
  client_capabilities: z.array(z.enum(CLIENT_CAPABILITIES)).default(['elicitation'])
    .describe('What a client declares that the server gets to see and may ask for: `elicitation` (default), `sampling`, `roots`; the rest is taken out.'),
  environment: z.string().min(1).max(64).optional()
    .describe('Environment the server belongs to, for example `production`; servers of different environments may not share a secret. None by default.'),
  region: z.string().min(1).max(64).optional().describe('Region the server stands in, for example `eu`; rules may ask for it with `regions`. None by default.'),
  tenant: z.string().min(1).max(64).optional().describe('Tenant (organisation) whose data the server holds; rules may ask for it with `tenants`. None by default.'),
  allow_private: z.boolean().default(false).describe('Lets the URL lead to private addresses (RFC 1918, ULA); off by default.'),
  allow_loopback: z.boolean().default(false).describe('Lets the URL lead to this machine; off by default.'),
}).superRefine((value, ctx) => {
  if ((value.url === undefined) === (value.command === undefined)) ctx.addIssue({ code: 'custom', message: 'a server has either a `url` or a `command`' });
  // `sh -c` and its like run whatever a later edit of the line puts in (CWE-78, MCP security best practices, local server compromise).
  if (!value.allow_shell) {
    const danger = value.command === undefined ? null : dangerousCommand(value.command);
    if (danger !== null) ctx.addIssue({ code: 'custom', path: ['command'], message: `${danger}; start the program itself, or set allow_shell: true if that is meant` });
    for (const name of Object.keys(value.env)) {
      const loads = dangerousVariable(name);
      if (loads !== null) ctx.addIssue({ code: 'custom', path: ['env', name], message: `${loads}; remove it, or set allow_shell: true if that is meant` });
    }
  }
  if (value.url === undefined) {
    if (value.transport !== 'auto') ctx.addIssue({ code: 'custom', path: ['transport'], message: 'only servers with a `url` have a choice of transport' });
    if (Object.keys(value.headers).length > 0) ctx.addIssue({ code: 'custom', path: ['headers'], message: 'only servers with a `url` take headers; a stdio server takes its credential from `env`' });
    return;
  }
  if (value.processes !== 'shared') ctx.addIssue({ code: 'custom', path: ['processes'], message: 'only servers with a `command` have processes' });
  if (value.transport === 'sse' && value.era === 'modern') ctx.addIssue({ code: 'custom', path: ['transport'], message: 'sse is the transport of 2024-11-05; a modern server speaks Streamable HTTP' });
  if (value.cwd !== undefined) ctx.addIssue({ code: 'custom', path: ['cwd'], message: 'only servers with a `command` have a working folder' });
  if (Object.keys(value.env).length > 0) ctx.addIssue({ code: 'custom', path: ['env'], message: 'only servers with a `command` have an environment' });
  const url = URL.parse(value.url);
  if (url === null) return; // its own fault is already listed
  // A password in a URL ends up in logs (CWE-598).
  if (url.username !== '' || url.password !== '') ctx.addIssue({ code: 'custom', path: ['url'], message: 'a URL holds no credential: use `headers`' });
  if (url.hash !== '') ctx.addIssue({ code: 'custom', path: ['url'], message: 'a URL for requests has no fragment' });
  // The gateway's credential must not travel in clear over a network (CWE-319).
  if (url.protocol === 'http:' && !value.allow_loopback && !value.allow_private) {
    ctx.addIssue({ code: 'custom', path: ['url'], message: 'must be https; plain http only together with allow_loopback or allow_private' });
  }
});

/** The `dispatch` section: the servers behind the gateway and how long they may take. */
export const dispatchConfig = z.strictObject({
  timeouts: z.strictObject({
    read_ms: ms.default(30_000).describe('How long a call of class discovery or read may take, ms; 30 s by default.'),
    write_ms: ms.default(60_000).describe('How long any other call may take, ms; 60 s by default.'),
    tools: z.record(z.string().min(1).max(256), z.strictObject({ timeout_ms: ms.describe('How long calls of these tools may take, ms.') })).default({})
      .describe('Time-outs for single tools, by a glob over `server__tool`; the first that matches counts; none by default.'),
  }).prefault({}).describe('Time-outs; progress from the server starts them again, up to ten times their length.'),
  max_answer_bytes: z.int().min(1024).max(268_435_456).default(16_777_216).describe('The most that is read of one answer or one event, bytes; 16 MiB by default.'),
  connections: z.int().min(1).max(4096).default(128).describe('Connections per HTTP server for calls; further calls wait for one; 128 by default.'),
  max_processes: z.int().min(1).max(1000).default(16).describe('Processes of callers that a stdio server with `processes: per_caller` may have at once, besides the one for its lists; 16 by default.'),
  questions: z.strictObject({
    ttl_ms: ms.default(600_000).describe('How long a call waits for what its server asked the user, ms; 10 minutes by default. Then it is cancelled at the server.'),
    max: z.int().min(1).max(100_000).default(1_000).describe('Calls that may wait so at once; 1,000 by default.'),
    max_per_caller: z.int().min(1).max(10_000).default(16).describe('The same for one caller; 16 by default.'),
  }).prefault({}).describe('Calls whose server asked something (elicitation, sampling, roots) and waits for the answer.'),
  state_ttl_ms: ms.default(3_600_000).describe('How long a `requestState` or cursor that was handed out is taken back, ms; 1 hour by default.'),
  era_refresh_ms: z.int().min(100).max(86_400_000).default(3_600_000).describe('After how long an HTTP server is asked again which protocol era it speaks, ms, a little earlier at random; 1 hour by default.'),
  list_wait_ms: ms.default(5_000).describe('How long a list of prompts or resources at `/mcp` waits for each server, ms; 5 s by default. A server that takes longer is left out and named.'),
  max_streams: z.int().min(1).max(100_000).default(10_000).describe('Event streams per HTTP server that clients may hold open at once; 10,000 by default.'),
  servers: z.record(
    z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, { error: 'must be lower-case letters, digits and -, at most 32: it is the prefix in `server__tool`' }),
    server,
  ).default({}).describe('The MCP servers by name; the name stands in URLs and before tool names.'),
});

export type DispatchConfig = z.infer<typeof dispatchConfig>;
export type ServerConfig = z.infer<typeof server>;
export type Capability = (typeof CLIENT_CAPABILITIES)[number];
/** A header or variable: a literal, or where its value is. */
export type LiteralOrSecret = z.infer<typeof literalOrSecret>;
