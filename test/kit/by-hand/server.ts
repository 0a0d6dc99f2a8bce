/**
 * A small MCP server of one revision and no other, written without an SDK: what it gets it judges strictly, what it repeats it repeats
 * digit by digit. Its tools are namesakes of the fixture's.
 */
export const MODERN = '2026-07-28';
export type Version = '2024-11-05' | '2025-03-26' | '2025-06-18' | '2025-11-25' | typeof MODERN;

export interface HandOptions {
  readonly version: Version;
  /** Told of each tool that runs and of each that is cancelled, with the text of its arguments. */
  readonly ran: (what: string, argumentsText: string) => void;
}
export interface Connection {
  /** One message of the client, and where what concerns it goes: a stream of its own, or the one there is. */
  readonly hear: (text: string, say: (text: string) => void) => void;
}
// oxlint-disable-next-line typescript/no-explicit-any -- messages of every shape
type Message = any;
type Say = (message: object) => void;

const PROPERTIES = { text: { type: 'string' }, number: { type: 'integer' } };
const EMPTY = { type: 'object', properties: {} };
export const HAND_TOOLS: readonly { readonly name: string; readonly [key: string]: unknown }[] = [
  { name: 'echo', description: 'Repeats its arguments', inputSchema: { type: 'object', properties: PROPERTIES }, annotations: { readOnlyHint: true }, 'x-unknown': { kept: [1.0, '€'] } },
  { name: 'slow', description: 'Answers late', inputSchema: { type: 'object', properties: { ms: { type: 'integer' } }, required: ['ms'] } },
  { name: 'test_tool_with_progress', description: 'Tells how far it is', inputSchema: EMPTY },
  { name: 'test_input_required_result_elicitation', description: 'Asks for a name', inputSchema: EMPTY },
  { name: 'crash', description: 'Nobody may run it', inputSchema: EMPTY },
];
const CAPABILITIES = { tools: {}, resources: {}, prompts: {}, logging: {}, completions: {} };
const META = 'io.modelcontextprotocol/';
const QUESTION = { message: 'What is your name?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] } };

/** Numbers stay the digits they were written in. */
const json = JSON as unknown as { parse: (text: string, reviver: (key: string, value: unknown, context: { readonly source: string }) => unknown) => Message; rawJSON: (text: string) => unknown };
const exact = (text: string): Message => json.parse(text, (_key, value, { source }) => (typeof value === 'number' ? json.rawJSON(source) : value));

class Fault extends Error {
  readonly code: number;
  readonly data: object | undefined;
  constructor(code: number, message: string, data?: object) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

/** One conversation in the legacy revisions; in the modern one every message stands for itself. */
export function byHand({ version, ran }: HandOptions): Connection {
  let declared: Message = null;
  let questions = 0;
  const asked = new Map<unknown, (reply: Message) => void>();
  const running = new Map<unknown, () => void>();
  const isModern = version === MODERN;

  const answer = async (message: Message, text: string, say: Say): Promise<object> => {
    const { method, params = {} } = message;
    if (isModern) return { resultType: 'complete', ...(await modern(message, text, say)) };
    if (method === 'initialize') {
      declared = params.capabilities ?? {};
      return { protocolVersion: version, capabilities: CAPABILITIES, serverInfo: { name: `by-hand-${version}`, version: '1' } };
    }
    if (method === 'ping') return {};
    if (declared === null) throw new Fault(-32600, 'initialize first');
    if (method === 'logging/setLevel') return {};
    return serve(message, text, say, declared);
  };
  const modern = async (message: Message, text: string, say: Say): Promise<object> => {
    const { method, params = {} } = message;
    const claimed = params._meta?.[`${META}protocolVersion`];
    if (claimed === undefined) throw new Fault(-32602, 'the envelope is missing');
    if (claimed !== MODERN) throw new Fault(-32022, 'this version is not spoken here', { supported: [MODERN], requested: claimed });
    if (method === 'server/discover') return { supportedVersions: [MODERN], capabilities: CAPABILITIES, ttlMs: 0, cacheScope: 'private', _meta: { [`${META}serverInfo`]: { name: 'by-hand', version: '1' } } };
    if (['initialize', 'ping', 'logging/setLevel', 'resources/subscribe'].includes(method)) throw new Fault(-32601, 'Method not found');
    const hints = /\/list$|^resources\/read$/.test(method) ? { ttlMs: 0, cacheScope: 'private' } : {};
    return { ...hints, ...(await serve(message, text, say, params._meta[`${META}clientCapabilities`] ?? {})) };
  };
  const serve = async (message: Message, text: string, say: Say, may: Message): Promise<object> => {
    const { method, params = {} } = message;
    switch (method) {
      case 'tools/list': return { tools: HAND_TOOLS };
      case 'tools/call': return call(message, text, say, may);
      case 'resources/list': return { resources: [{ uri: 'test://static-text', name: 'static-text', mimeType: 'text/plain' }] };
      case 'resources/templates/list': return { resourceTemplates: [] };
      case 'resources/read':
        if (params.uri !== 'test://static-text') throw new Fault(isModern ? -32602 : -32002, 'Resource not found');
        return { contents: [{ uri: params.uri, mimeType: 'text/plain', text: 'Text of a static resource.' }] };
      case 'prompts/list': return { prompts: [{ name: 'test_prompt_with_arguments', arguments: [{ name: 'arg1', required: true }, { name: 'arg2', required: true }] }] };
      case 'prompts/get': return { messages: [{ role: 'user', content: { type: 'text', text: `arg1='${params.arguments?.arg1}', arg2='${params.arguments?.arg2}'` } }] };
      case 'completion/complete': return { completion: { values: [], total: 0, hasMore: false } };
      default: throw new Fault(-32601, 'Method not found');
    }
  };
  const call = async (message: Message, text: string, say: Say, may: Message): Promise<object> => {
    const { name, _meta: meta } = message.params;
    const argumentsText = JSON.stringify(exact(text).params.arguments ?? {});
    const speak = (words: string, isError = false): object => ({ content: [{ type: 'text', text: words }], ...(isError ? { isError } : {}) });
    if (!HAND_TOOLS.some((tool) => tool.name === name)) throw new Fault(-32602, 'Unknown tool');
    ran(name, argumentsText);
    if (name === 'echo') return speak(argumentsText);
    if (name === 'slow') return sleep(message, argumentsText).then(() => speak('late'));
    if (name === 'test_tool_with_progress') {
      const progressToken = exact(text).params._meta?.progressToken as unknown;
      for (const progress of meta?.progressToken === undefined ? [] : [0, 50, 100]) say({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
      return speak('done');
    }
    const hello = (reply: Message): object => (reply?.action === 'accept' ? speak(`Hello, ${reply.content?.name}!`) : speak('Hello, whoever you are!'));
    if (isModern) {
      const given = message.params.inputResponses?.user_name;
      if (given !== undefined) return message.params.requestState === 'by hand: ✓ "state"' ? hello(given) : speak('the state did not come back', true);
      if (may.elicitation === undefined) throw new Fault(-32021, 'The client cannot be asked', { requiredCapabilities: { elicitation: {} } });
      return { resultType: 'input_required', inputRequests: { user_name: { method: 'elicitation/create', params: { mode: 'form', ...QUESTION } } }, requestState: 'by hand: ✓ "state"' };
    }
    if (may.elicitation === undefined) return speak('The client cannot be asked', true);
    const id = `q${++questions}`;
    const reply = new Promise<Message>((done) => asked.set(id, done));
    say({ jsonrpc: '2.0', id, method: 'elicitation/create', params: QUESTION });
    const { result, error } = await reply;
    return error === undefined ? hello(result) : speak(`The client could not be asked: ${error.message}`, true);
  };
  const sleep = ({ id, params }: Message, argumentsText: string): Promise<void> => new Promise((done, failed) => {
    const timer = setTimeout(done, params.arguments.ms);
    running.set(id, () => {
      clearTimeout(timer);
      ran('slow cancelled', argumentsText);
      failed(new Fault(-32603, 'cancelled'));
    });
  });

  return {
    hear: (text, say) => {
      const message = JSON.parse(text);
      const id = message.id === undefined ? undefined : exact(text).id;
      const tell: Say = (told) => say(JSON.stringify(told));
      if (message.method === 'notifications/cancelled') running.get(message.params.requestId)?.();
      if (message.method === '$gone') running.get(message.params)?.();
      if (message.method === undefined) {
        asked.get(message.id)?.(message);
        asked.delete(message.id);
      }
      if (message.method === undefined || id === undefined) return;
      answer(message, text, tell).then((result) => tell({ jsonrpc: '2.0', id, result }), (thrown: unknown) => {
        const { code, message: why, data } = thrown instanceof Fault ? thrown : new Fault(-32603, String(thrown));
        tell({ jsonrpc: '2.0', id, error: { code, message: why, ...(data === undefined ? {} : { data }) } });
      }).finally(() => running.delete(message.id));
    },
  };
}
