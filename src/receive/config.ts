import { z } from 'zod';
import { listenFault } from '../lib/loopback.ts';
import { secretRef } from '../secrets/index.ts';

const MIB = 1_048_576;
const hostName = z.string().regex(/^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}))(?::\d{1,5})?$/, 'write a name or an address, with a port only if it is not the usual one: "gateway.example.org"');
const httpUrl = z.url({ protocol: /^https?$/ });

const tls = z.strictObject({
  cert: secretRef.describe('The certificate chain, PEM, as a reference: `file:PATH`.'),
  key: secretRef.describe('Its private key, PEM, as a reference: `file:PATH`.'),
});

/** The settings of the listener: where it stands, what it answers to, how much it takes. */
export const receiveConfig = z
  .strictObject({
    host: z.string().min(1).default('127.0.0.1').describe('The address to listen on; loopback by default. Beyond loopback, `tls` or `tls_terminated_by_proxy` must be set.'),
    port: z.int().min(0).max(65_535).default(8080).describe('The TCP port; 8080 by default, 0 lets the system choose.'),
    hosts: z.array(hostName).default([]).describe('Names in the Host header that are answered, besides the loopback names, `host` and the name in `public_url`; none by default.'),
    origins: z.array(z.string().regex(/^https?:\/\/[^/\s]+$/, 'write scheme, name and port only: "https://app.example.org"')).default([])
      .describe('Origins of web pages that may call the gateway from a browser; none by default, as most clients are no browsers.'),
    public_url: httpUrl.nullable().default(null).describe('The URL clients reach the gateway under, when it is not the listener’s own; null by default.'),
    resource_metadata_url: httpUrl.nullable().default(null).describe('Where the OAuth protected resource metadata (RFC 9728) is published, named in every 401; null by default, then it is left out.'),
    tls: tls.nullable().default(null).describe('Certificate and key for HTTPS; null by default: plain HTTP, which only loopback or a proxy may use.'),
    tls_terminated_by_proxy: z.boolean().default(false).describe('True when a proxy in front ends TLS and nobody else can reach this port; false by default. Forwarding headers are never believed.'),
    max_bytes: z.int().min(1024).max(256 * MIB).default(4 * MIB).describe('Bytes a request body may have; 4 MiB by default.'),
    max_depth: z.int().min(8).max(512).default(64).describe('How many arrays and objects may stand in each other; 64 by default.'),
    max_keys: z.int().min(16).max(1_000_000).default(10_000).describe('How many keys one JSON object may have; 10,000 by default.'),
    max_in_flight: z.int().min(1).max(100_000).default(1024).describe('Requests that may be worked on at once, open streams not counted; 1,024 by default, more are refused with 503.'),
    max_body_total_bytes: z.int().min(1024).default(256 * MIB).describe('Bytes of bodies that may be in memory at once while they are being received; 256 MiB by default.'),
    max_connections: z.int().min(1).max(1_000_000).default(16_384).describe('Connections that may be open at once; 16,384 by default, more are closed.'),
    request_timeout_ms: z.int().min(1000).max(600_000).default(30_000).describe('How long a client may take to send a whole request, and how long it may read nothing of an answer, ms; 30 seconds by default.'),
    keepalive_ms: z.int().min(1000).max(600_000).default(15_000).describe('A silent event stream gets a comment every so many ms, so that proxies keep it open; 15 seconds by default.'),
    max_buffered_bytes: z.int().min(16_384).max(256 * MIB).default(8 * MIB).describe('Bytes that may wait for a slow reader of a stream before it is closed; 8 MiB by default.'),
    drain_ms: z.int().min(0).max(600_000).default(10_000).describe('How long requests in progress may take to end when the gateway stops, ms; 10 seconds by default.'),
  })
  .superRefine((config, ctx) => {
    const wrong = listenFault(config);
    if (wrong !== null) ctx.addIssue({ code: 'custom', path: ['host'], message: wrong });
  })
  .prefault({})
  .describe('The door: where the gateway listens, which names it answers to, and how much it takes.');
export type ReceiveConfig = z.infer<typeof receiveConfig>;
