import type { Command } from 'commander';
import { egressConfig } from '../egress/config.ts';
import { createEgress } from '../egress/index.ts';
import { type Door, keyOf, urlOf, withDoor } from './door.ts';
import { example, Exit } from './exit.ts';

const VERSION = '2026-07-28';
const META = {
  'io.modelcontextprotocol/protocolVersion': VERSION,
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 'sallyport-cli', version: '1' },
};

/** `tools list`: what this key may use, as the gateway's own list shows it. */
export function addTools(program: Command): void {
  const tools = program.command('tools').description('What a key may use').addHelpText('after', example('sallyport tools list'));
  withDoor(tools.command('list').description('List the tools this key may call, through the running gateway'))
    .option('--server <name>', 'only this server, with its own names')
    .option('--json', 'the answer as JSON')
    .addHelpText('after', example('SALLYPORT_KEY=sp_… sallyport tools list', 'sallyport tools list --server files --key-file research.key'))
    .action(async (options: Door & { server?: string; json?: boolean }) => {
      const path = options.server === undefined ? '/mcp' : `/s/${encodeURIComponent(options.server)}/mcp`;
      const answer = await post(options, path, { jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: META } });
      const listed = (answer.body as { result?: { tools?: { name: string; description?: string }[] } }).result?.tools;
      if (listed === undefined) throw new Exit(1, describe(answer));
      if (options.json === true) return console.log(JSON.stringify(listed, null, 2));
      const width = Math.max(0, ...listed.map((tool) => tool.name.length));
      for (const tool of listed) console.log(`${visible(tool.name).padEnd(width)}  ${visible((tool.description ?? '').split('\n')[0] ?? '').slice(0, 100)}`);
    });
}

/** `call`: one tool call through `POST /tool`. */
export function addCall(program: Command): void {
  withDoor(program.command('call <tool>').description('Call one tool through the running gateway; exit code 1 when it was refused or failed'))
    .option('--args <json>', 'the arguments, as a JSON object', '{}')
    .addHelpText('after', example(`SALLYPORT_KEY=sp_… sallyport call files__list_directory --args '{"path":"."}'`))
    .action(async (tool: string, options: Door & { args: string }) => {
      const body = `{"tool":${JSON.stringify(tool)},"inputs":${checkedObject(options.args)}}`;
      const answer = await post(options, '/tool', body);
      console.log(JSON.stringify(answer.body, null, 2));
      if (answer.status !== 200 || (answer.body as { status?: string }).status !== 'ok') throw new Exit(1, '');
    });
}

/** The text itself goes out, so that large integers keep their digits. */
function checkedObject(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return text;
  } catch {
    // said below
  }
  throw new Exit(2, `--args must be a JSON object, for example: --args '{"path":"."}'`);
}

async function post(door: Door, path: string, message: object | string): Promise<{ status: number; body: unknown }> {
  const base = urlOf(door);
  const key = keyOf(door);
  const method = typeof message === 'object' && 'method' in message ? String(message.method) : null;
  const egress = createEgress(egressConfig.parse({}));
  try {
    const dispatcher = egress.dispatcher({ name: 'gateway', url: base.href, allow_loopback: true, allow_private: true, connections: 1 });
    const answer = await dispatcher.request({
      origin: base.origin, path, method: 'POST', body: typeof message === 'string' ? message : JSON.stringify(message),
      headers: {
        'content-type': 'application/json', accept: 'application/json, text/event-stream', 'x-api-key': key,
        ...(method === null ? {} : { 'mcp-protocol-version': VERSION, 'mcp-method': method }),
      },
    });
    return { status: answer.statusCode, body: parsed(await answer.body.text()) };
  } catch (error) {
    if (error instanceof Exit) throw error;
    throw new Exit(1, `no answer from ${base.origin}: ${error instanceof Error ? error.message : String(error)}. Is the gateway running (sallyport serve, sallyport demo)?`);
  } finally {
    await egress.close();
  }
}

/** The answer may be one SSE event. */
function parsed(text: string): unknown {
  const data = text.startsWith('{') ? text : text.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5)).join('\n');
  try {
    return JSON.parse(data);
  } catch {
    return { text };
  }
}
const describe = (answer: { status: number; body: unknown }): string => `refused (${answer.status}): ${(answer.body as { error?: { message?: string } }).error?.message ?? JSON.stringify(answer.body)}`;
/** Server texts may carry terminal escapes (CWE-150). */
const visible = (text: string): string => text.replace(/[\p{Cc}\p{Cf}]/gu, (c) => `\\u${(c.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`);
