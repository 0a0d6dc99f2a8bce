import { META } from './gateway.ts';
import { until } from './scene.ts';
import { legacyClient, modernClient, type OfficialClient, type Progress, type User } from './clients.ts';

/** What came of a request, whoever asked: the words of a result, or an error. `raw` is the whole message where the client sees it. */
export interface Told {
  readonly words: string;
  readonly isError: boolean;
  readonly error: { readonly code: number; readonly message: string; readonly data?: unknown } | null;
  /** The gateway's own code when it refused. */
  readonly refusal: string | null;
  readonly raw: string;
}
export interface Asking {
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}
/** A client of any revision, by hand or by an SDK, as the matrix sees it. Arguments are JSON text, so that their digits can be chosen. */
export interface MatrixClient {
  readonly version: string;
  readonly tools: () => Promise<readonly string[]>;
  readonly call: (name: string, argumentsText: string, asking?: Asking) => Promise<Told>;
  readonly read: (uri: string) => Promise<Told>;
  readonly prompt: (name: string, argumentsText: string) => Promise<Told>;
  readonly close: () => Promise<void>;
}
// oxlint-disable-next-line typescript/no-explicit-any -- messages of every shape
type Message = any;

const WAIT_MS = 30_000;
const told = (message: Message, raw: string): Told => {
  const { result, error } = message as { result?: Message; error?: Message };
  const content = (result?.content ?? result?.contents ?? result?.messages?.map((one: Message) => one.content) ?? []) as { readonly text?: string }[];
  const refusal = (result?._meta?.['sallyport/refusal']?.code ?? error?.data?.code ?? null) as string | null;
  return { words: content.map(({ text }) => text ?? '').join(''), isError: result?.isError === true, error: error ?? null, refusal, raw };
};

/** Reads a body as an event stream; tells the data of every event. */
async function eachEvent(answer: Response, on: (data: string, event: string) => void): Promise<void> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of answer.body ?? []) {
    const blocks = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split(/\r?\n\r?\n/);
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const lines = block.split(/\r?\n/);
      const data = lines.filter((line) => line.startsWith('data:')).map((line) => line.slice(5).replace(/^ /, ''));
      const event = lines.find((line) => line.startsWith('event:'))?.slice(6).trim() ?? 'message';
      if (data.length > 0 && data.join('\n') !== '') on(data.join('\n'), event);
    }
  }
}

/** Told of each question as it came, before it is answered. */
export type BeforeReply = (raw: string) => Promise<void> | void;

/** The conversation of a legacy client, whatever carries it. */
class Talk {
  private readonly send: (text: string) => Promise<void>;
  private readonly user: User;
  private readonly beforeReply: BeforeReply;
  private readonly waiting = new Map<number, { readonly done: (told: Told) => void; readonly failed: (fault: Error) => void; readonly onProgress: Asking['onProgress'] }>();
  private last = 0;
  constructor(send: (text: string) => Promise<void>, user: User, beforeReply: BeforeReply = () => undefined) {
    this.send = send;
    this.user = user;
    this.beforeReply = beforeReply;
  }
  readonly hear = (raw: string): void => {
    const message = JSON.parse(raw) as Message;
    if (message.method === 'notifications/progress') this.waiting.get(message.params.progressToken)?.onProgress?.(message.params);
    else if (message.method === 'ping') void this.send(JSON.stringify({ jsonrpc: '2.0', id: message.id, result: {} }));
    else if (message.method !== undefined && message.id !== undefined) void this.answer(message, raw);
    else if (message.method === undefined) {
      this.waiting.get(message.id)?.done(told(message, raw));
      this.waiting.delete(message.id);
    }
  };
  private async answer(question: Message, raw: string): Promise<void> {
    await this.beforeReply(raw);
    await this.send(JSON.stringify({ jsonrpc: '2.0', id: question.id, ...this.reply(question) }));
  }
  private reply(question: Message): object {
    if (question.method !== 'elicitation/create' || this.user === undefined) return { error: { code: -32601, message: 'not asked for' } };
    return { result: this.user(question.params) };
  }
  readonly ask = async (method: string, paramsText: string, { onProgress, signal }: Asking = {}): Promise<Told> => {
    const id = ++this.last;
    const token = onProgress === undefined ? '' : `${paramsText === '{}' ? '' : ','}"_meta":{"progressToken":${id}}`;
    const answer = new Promise<Told>((done, failed) => this.waiting.set(id, { done, failed, onProgress }));
    const given = new Promise<never>((_done, failed) => {
      signal?.addEventListener('abort', () => {
        this.send(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id, reason: 'changed my mind' } })).finally(() => failed(new Error('aborted')));
      });
    });
    const sent = this.send(`{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${paramsText.slice(0, -1)}${token}}}`);
    sent.catch((fault: unknown) => this.waiting.get(id)?.failed(fault as Error));
    return within(Promise.race([answer, given]), `${method} was not answered`);
  };
}
const within = <T>(work: Promise<T>, what: string): Promise<T> => {
  let timer: NodeJS.Timeout;
  return Promise.race([work, new Promise<never>((_done, failed) => { timer = setTimeout(() => failed(new Error(`${what} within ${WAIT_MS} ms`)), WAIT_MS); })]).finally(() => clearTimeout(timer));
};

/** What all legacy clients by hand have in common. Like real ones, they know the revisions before their own and none after it. */
async function greeted(talk: Talk, version: string, user: User, notify: (text: string) => Promise<void>, close: () => Promise<void>, settle: (agreed: string) => void = () => undefined): Promise<MatrixClient> {
  const hello = await talk.ask('initialize', JSON.stringify({ protocolVersion: version, capabilities: user === undefined ? {} : { elicitation: {} }, clientInfo: { name: 'by hand', version: '1' } }));
  if (hello.error !== null) throw new Error(`initialize: ${hello.raw}`);
  const agreed = (JSON.parse(hello.raw) as Message).result.protocolVersion as string;
  if (agreed > version) throw new Error(`the answer to initialize says ${agreed}, which a client of ${version} cannot know`);
  settle(agreed);
  await notify('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  return {
    version: agreed, close,
    tools: async () => namesOf((await talk.ask('tools/list', '{}')).raw),
    call: (name, args, asking) => talk.ask('tools/call', `{"name":${JSON.stringify(name)},"arguments":${args}}`, asking),
    read: (uri) => talk.ask('resources/read', JSON.stringify({ uri })),
    prompt: (name, args) => talk.ask('prompts/get', `{"name":${JSON.stringify(name)},"arguments":${args}}`),
  };
}
const namesOf = (raw: string): string[] => ((JSON.parse(raw) as Message).result?.tools as { name: string }[] | undefined)?.map(({ name }) => name) ?? [];
const JSON_AND_SSE = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

/** 2025-03-26 to 2025-11-25 over Streamable HTTP, frame by frame. */
export async function streamableByHand(url: string, key: string, version: string, user: User, beforeReply?: BeforeReply): Promise<MatrixClient> {
  let session: string | null = null;
  let spoken = version;
  const stop = new AbortController();
  const headers = (): Record<string, string> => ({ ...JSON_AND_SSE, 'x-api-key': key, ...(session === null ? {} : { 'mcp-session-id': session, ...(spoken <= '2025-03-26' ? {} : { 'mcp-protocol-version': spoken }) }) });
  const send = async (text: string): Promise<void> => {
    const answer = await fetch(url, { method: 'POST', headers: headers(), body: text, signal: stop.signal });
    session ??= answer.headers.get('mcp-session-id');
    if (answer.headers.get('content-type')?.startsWith('text/event-stream') === true) return eachEvent(answer, (data) => talk.hear(data));
    const body = await answer.text();
    if (body !== '') talk.hear(body);
    else if (answer.status !== 202) throw new Error(`HTTP ${answer.status}`);
  };
  const talk = new Talk(send, user, beforeReply);
  return greeted(talk, version, user, send, async () => {
    await fetch(url, { method: 'DELETE', headers: headers() }).then((answer) => answer.text());
    stop.abort();
  }, (agreed) => { spoken = agreed; });
}

/** 2024-11-05: one stream for everything, its address for what the client says told in the first event. */
export async function channelByHand(url: string, key: string, user: User): Promise<MatrixClient> {
  const stop = new AbortController();
  const stream = await fetch(url, { headers: { accept: 'text/event-stream', 'x-api-key': key }, signal: stop.signal });
  if (stream.status !== 200) throw new Error(`GET: HTTP ${stream.status}`);
  let endpoint = '';
  const send = async (text: string): Promise<void> => {
    const answer = await fetch(new URL(endpoint, url), { method: 'POST', headers: { 'content-type': 'application/json', 'x-api-key': key }, body: text, signal: stop.signal });
    await answer.text();
    if (answer.status !== 202) throw new Error(`POST: HTTP ${answer.status}`);
  };
  const talk = new Talk(send, user);
  eachEvent(stream, (data, event) => {
    if (event === 'endpoint') endpoint = data;
    else talk.hear(data);
  }).catch(() => undefined); // it ends when we close
  await until('the endpoint is told', 10_000, () => endpoint !== '');
  return greeted(talk, '2024-11-05', user, send, async () => stop.abort());
}

/** 2026-07-28, frame by frame: what is asked in an answer is answered in the next request. */
export async function modernByHand(url: string, key: string, user: User): Promise<MatrixClient> {
  let last = 0;
  const envelope = { ...META, 'io.modelcontextprotocol/clientCapabilities': user === undefined ? {} : { elicitation: { form: {} } } };
  const once = async (method: string, name: string | null, paramsText: string, { onProgress, signal }: Asking): Promise<Told> => {
    const id = ++last;
    const meta = JSON.stringify({ ...envelope, ...(onProgress === undefined ? {} : { progressToken: id }) });
    const body = `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${paramsText.slice(0, -1)}${paramsText === '{}' ? '' : ','}"_meta":${meta}}}`;
    const answer = await fetch(url, {
      method: 'POST', body, ...(signal === undefined ? {} : { signal }),
      headers: { ...JSON_AND_SSE, 'x-api-key': key, 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, ...(name === null ? {} : { 'mcp-name': name }) },
    });
    if (answer.headers.get('content-type')?.startsWith('text/event-stream') !== true) {
      const text = await answer.text();
      return told(JSON.parse(text), text);
    }
    let end: Told | null = null;
    await eachEvent(answer, (data) => {
      const message = JSON.parse(data) as Message;
      if (message.method === 'notifications/progress') onProgress?.(message.params);
      else if (message.id === id) end = told(message, data);
    });
    if (end === null) throw new Error(`${method}: the stream ended without an answer`);
    return end;
  };
  const ask = async (method: string, name: string | null, paramsText: string, asking: Asking = {}): Promise<Told> => {
    let params = paramsText;
    for (let round = 0; round < 5; round++) {
      const answer = await within(once(method, name, params, asking), `${method} was not answered`);
      const result = (JSON.parse(answer.raw) as Message).result;
      if (result?.resultType !== 'input_required') return answer;
      if (user === undefined) throw new Error(`asked though nothing was declared: ${answer.raw}`);
      const inputResponses = Object.fromEntries(Object.entries(result.inputRequests as Record<string, Message>).map(([key, question]) => [key, user(question.params)]));
      params = `${paramsText.slice(0, -1)},"inputResponses":${JSON.stringify(inputResponses)}${result.requestState === undefined ? '' : `,"requestState":${JSON.stringify(result.requestState)}`}}`;
    }
    throw new Error(`${method}: asked again and again`);
  };
  const found = await ask('server/discover', null, '{}');
  if (found.error !== null) throw new Error(`server/discover: ${found.raw}`);
  return {
    version: ((JSON.parse(found.raw) as Message).result.supportedVersions as string[]).find((version) => version === '2026-07-28') ?? 'none',
    tools: async () => namesOf((await ask('tools/list', null, '{}')).raw),
    call: (name, args, asking) => ask('tools/call', name, `{"name":${JSON.stringify(name)},"arguments":${args}}`, asking),
    read: (uri) => ask('resources/read', uri, JSON.stringify({ uri })),
    prompt: (name, args) => ask('prompts/get', name, `{"name":${JSON.stringify(name)},"arguments":${args}}`),
    close: async () => undefined,
  };
}

/** Integers a double cannot hold go out digit by digit even through an SDK, which hands the arguments to JSON.stringify. */
const exact = (text: string): Record<string, unknown> => {
  const json = JSON as unknown as { parse: (text: string, reviver: (key: string, value: unknown, context: { readonly source: string }) => unknown) => Record<string, unknown>; rawJSON: (text: string) => unknown };
  return json.parse(text, (_key, value, { source }) => (typeof value === 'number' ? json.rawJSON(source) : value));
};
async function official(client: OfficialClient): Promise<MatrixClient> {
  const ask = async (work: Promise<unknown>): Promise<Told> => {
    try {
      const result = await work;
      return told({ result }, JSON.stringify(result));
    } catch (thrown) {
      const { code, message, data } = thrown as { code?: unknown; message: string; data?: unknown };
      if (typeof code !== 'number' || code >= 0) throw thrown;
      return told({ error: { code, message, data } }, message);
    }
  };
  return {
    version: client.version() ?? 'none',
    tools: client.tools,
    call: (name, args, asking = {}) => ask(client.call(name, exact(args), { ...asking })),
    read: (uri) => ask(client.read(uri)),
    prompt: (name, args) => ask(client.prompt(name, JSON.parse(args) as Record<string, string>)),
    close: client.close,
  };
}

/** Every client of the matrix, by the name its row has. `asks`: its revision lets a server ask the user. */
export const MATRIX_CLIENTS: Readonly<Record<string, { readonly version: string; readonly asks: boolean; readonly open: (url: string, key: string, user: User) => Promise<MatrixClient> }>> = {
  '2024-11-05 by hand': { version: '2024-11-05', asks: false, open: (url, key) => channelByHand(url, key, undefined) },
  'SDK v1 over HTTP+SSE': { version: '', asks: true, open: async (url, key, user) => official(await legacyClient(url, key, user, 'sse')) },
  '2025-03-26 by hand': { version: '2025-03-26', asks: false, open: (url, key) => streamableByHand(url, key, '2025-03-26', undefined) },
  '2025-06-18 by hand': { version: '2025-06-18', asks: true, open: (url, key, user) => streamableByHand(url, key, '2025-06-18', user) },
  '2025-11-25 by hand': { version: '2025-11-25', asks: true, open: (url, key, user) => streamableByHand(url, key, '2025-11-25', user) },
  'SDK v1, 2025-11-25': { version: '2025-11-25', asks: true, open: async (url, key, user) => official(await legacyClient(url, key, user)) },
  '2026-07-28 by hand': { version: '2026-07-28', asks: true, open: (url, key, user) => modernByHand(url, key, user) },
  'SDK v2, 2026-07-28': { version: '2026-07-28', asks: true, open: async (url, key, user) => official(await modernClient(url, key, user)) },
};
