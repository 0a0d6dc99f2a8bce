import { z } from 'zod';
import { listenFault } from '../lib/loopback.ts';
import { secretRef } from '../secrets/index.ts';

const hostName = z.string().regex(/^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}))(?::\d{1,5})?$/, 'write a name or an address, with a port only if it is not the usual one: "approve.example.org"');
const httpUrl = z.url({ protocol: /^https?$/ });
const tls = z.strictObject({
  cert: secretRef.describe('The certificate chain, PEM, as a reference: `file:PATH`.'),
  key: secretRef.describe('Its private key, PEM, as a reference: `file:PATH`.'),
});

/** The listener where people decide. Agents' credentials mean nothing there. */
export const adminConfig = z
  .strictObject({
    host: z.string().min(1).default('127.0.0.1').describe('The address to listen on; loopback by default. Beyond loopback, `tls` or `tls_terminated_by_proxy` must be set.'),
    port: z.int().min(0).max(65_535).nullable().default(null).describe('The TCP port; empty by default: no listener. 0 lets the system choose.'),
    hosts: z.array(hostName).default([]).describe('Names in the Host header that are answered, besides the loopback names, `host` and the name in `public_url`; none by default.'),
    public_url: httpUrl.nullable().default(null).describe('The URL people reach this listener under; links in webhooks start with it. Empty by default: webhooks carry no links.'),
    tls: tls.nullable().default(null).describe('Certificate and key for HTTPS; empty by default: plain HTTP, which only loopback or a proxy may use.'),
    tls_terminated_by_proxy: z.boolean().default(false).describe('True when a proxy in front ends TLS and nobody else can reach this port; false by default. Forwarding headers are never believed.'),
  })
  .superRefine((config, ctx) => {
    const wrong = listenFault(config);
    if (wrong !== null) ctx.addIssue({ code: 'custom', path: ['host'], message: wrong });
  })
  .prefault({})
  .describe('The door for people who decide: the admin API, with credentials of its own (`sallyport admin create`). Off unless `port` is set.');
export type AdminConfig = z.infer<typeof adminConfig>;

/** What a webhook can be told of. */
export const WEBHOOK_EVENTS = ['requested', 'decided', 'expired', 'escalated', 'digest', 'break_glass'] as const;
/** One receiver; the list stands at `approve.webhooks`. */
const webhook = z
  .strictObject({
    url: z.union([httpUrl, z.strictObject({ secret: secretRef.describe('The URL as a reference, for those that hold a token, such as Slack’s.') })]).describe('Where to post; `https`, or `http` together with `allow_loopback` or `allow_private`.'),
    secret: secretRef.nullable().default(null).describe('The shared secret that signs what is sent, at least 24 characters; empty by default, which only `format: slack` may be.'),
    events: z.array(z.enum(WEBHOOK_EVENTS)).min(1).default([...WEBHOOK_EVENTS]).describe('What to tell of; everything by default.'),
    format: z.enum(['json', 'slack']).default('json').describe('The shape of the body: `json` is the gateway’s own, `slack` is for incoming webhooks of Slack and what understands them.'),
    approver: z.string().min(1).max(64).nullable().default(null).describe('The admin (`sallyport admin create`) who reads there: links decide in his name. Empty by default: no links.'),
    callback: z.boolean().default(false).describe('Lets whoever holds `secret` decide in the name of `approver` at `POST /callbacks/approvals`; off by default.'),
    include_arguments: z.boolean().default(false).describe('Sends the arguments along; off by default: their size and hash only.'),
    allow_private: z.boolean().default(false).describe('Lets the URL lead to private addresses (RFC 1918, ULA); off by default.'),
    allow_loopback: z.boolean().default(false).describe('Lets the URL lead to this machine; off by default.'),
  })
  .superRefine((hook, ctx) => {
    const fault = (path: string, message: string): void => ctx.addIssue({ code: 'custom', path: [path], message });
    if (hook.secret === null && hook.format === 'json') fault('secret', 'is needed: the receiver could not tell our messages from anybody’s');
    if (hook.callback && (hook.secret === null || hook.approver === null)) fault('callback', 'needs `secret` and `approver`');
    if (typeof hook.url === 'string' && hook.url.startsWith('http:') && !hook.allow_loopback && !hook.allow_private) fault('url', 'must be https; plain http only together with allow_loopback or allow_private');
  });
export const webhooksConfig = z.array(webhook).max(16).default([]).describe('Who is told of approvals by HTTP POST; nobody by default.');
export type WebhookConfig = z.infer<typeof webhook>;
