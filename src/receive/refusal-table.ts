import { REFUSALS } from '../call/refusals.ts';

const HEAD = `# Refusals

Generated from \`src/call/refusals.ts\`; do not edit. One row for each way the gateway can say no.

- **MCP**: HTTP status at \`/mcp\` and \`/s/<server>/mcp\`. **REST**: HTTP status at \`POST /tool\`. Once an event stream has begun, its status stays 200.
- **Shape**: *error*: a JSON-RPC error with the code in the next column. *result*: a \`tools/call\` gets a result with \`isError: true\`, so that
  the model can mend its call; other methods get the error.
- Errors carry \`data: {code, correlation_id, retryable, retry_after_ms?}\`, results the same under \`_meta["sallyport/refusal"]\`. The record
  of the call holds the code as \`reason_code\`.
- Hidden equals unknown: a tool refused by \`authorize.*\` is answered with \`resolve.unknown_tool\`, byte for byte but for the ids; prompts and
  resources likewise with their own noun; any other method with \`resolve.unknown_method\`. The record names the true reason.
- \`401\` comes with \`WWW-Authenticate: Bearer\`; \`429\` and \`503\` with \`Retry-After\` where the wait is known.
`;
const COLUMNS = '| code | MCP | REST | JSON-RPC | shape | retry | what the caller reads | what the operator does |\n|---|---|---|---|---|---|---|---|\n';

/** docs/reference/refusals.md, from the catalogue: one table per room, in the order of the corridor. */
export function refusalTable(): string {
  const rooms = new Map<string, string[]>();
  for (const [code, row] of REFUSALS) {
    const room = code.slice(0, code.indexOf('.'));
    const cells = [`\`${code}\``, row.mcp, row.rest, row.rpc, row.as === 'tool' ? 'result' : 'error', row.retryable ? 'yes' : 'no', row.says, row.operator];
    rooms.set(room, [...(rooms.get(room) ?? []), `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |\n`]);
  }
  return HEAD + [...rooms].map(([room, lines]) => `\n## ${room}\n\n${COLUMNS}${lines.join('')}`).join('');
}
