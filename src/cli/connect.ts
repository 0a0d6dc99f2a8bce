import type { Command } from 'commander';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { egressConfig } from '../egress/config.ts';
import { createEgress, type Egress } from '../egress/index.ts';
import { visible } from '../lib/visible.ts';
import { Bridge } from './connect-bridge.ts';
import { createEndpoint, type Endpoint } from './connect-http.ts';
import { createOut, linesOf } from './connect-stdio.ts';
import { type Door, keyOf, urlOf, withDoor } from './door.ts';
import { example, Exit } from './exit.ts';
import { signalled } from './serve.ts';

const URL_LIKE = 'http://127.0.0.1:8080/mcp';
/** How long what runs may go on after the client closed its end, and how long ending the session may take, ms. Clients kill after 2 s. */
const GRACE_MS = 2_000;
const END_MS = 1_000;

const SNIPPET = `
In a desktop client (Claude Desktop: claude_desktop_config.json):
  { "mcpServers": { "sallyport": {
      "command": "node",
      "args": ["/path/to/sallyport/bin/sallyport.mjs", "connect", "--url", "${URL_LIKE}", "--key-file", "/home/you/.sallyport.key"] } } }
`;

/** `connect`: the gateway for clients that can only start a command and speak over its stdin and stdout. */
export function addConnect(program: Command): void {
  withDoor(program.command('connect').description('A stdio front for desktop MCP clients: their messages go to a running gateway, its answers come back, unchanged'), URL_LIKE)
    .addHelpText('after', `${example(`sallyport connect --url ${URL_LIKE} --key-file ~/.sallyport.key`)}${SNIPPET}`)
    .action(async (door: Door) => {
      const egress = createEgress(egressConfig.parse({}));
      try {
        const told = signalled();
        const endpoint = endpointOf(door, egress);
        warn(endpoint.url);
        await serveStdio(endpoint, process.stdin, process.stdout, told);
      } finally {
        await egress.close();
      }
    });
}

function endpointOf(door: Door, egress: Egress): Endpoint {
  const url = urlOf(door, URL_LIKE);
  if (url.pathname === '/') url.pathname = '/mcp';
  const key = keyOf(door);
  try {
    return createEndpoint(egress.dispatcher({ name: 'gateway', url: url.href, allow_loopback: true, allow_private: true, connections: null }), url, key);
  } catch (error) {
    throw new Exit(2, `--url cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Carries messages until the client closes its end, or `told` resolves; then lets what runs end for a moment. */
async function serveStdio(endpoint: Endpoint, input: Readable, output: Writable, told: Promise<void>): Promise<void> {
  const out = createOut(output);
  const bridge = new Bridge({ endpoint, out, warn });
  const stopped = Promise.race([told, out.gone]);
  const reading = (async () => {
    for await (const line of linesOf(input)) await bridge.take(line);
  })().catch((error: unknown) => warn(`stdin: ${error instanceof Error ? error.message : String(error)}`));
  await Promise.race([reading, stopped]);
  const grace = new AbortController();
  await Promise.race([reading.then(() => bridge.idle()), stopped, sleep(GRACE_MS, undefined, { signal: grace.signal }).catch(() => undefined)]);
  grace.abort();
  await bridge.close(END_MS);
  input.destroy();
}

// What is said of servers may carry terminal escapes (CWE-150).
const warn = (text: string): void => console.error(`sallyport connect: ${visible(text)}`);
