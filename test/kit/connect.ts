import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** `sallyport connect` as a process, spoken to by hand: what goes in and comes out is seen letter by letter. */
export interface Front {
  readonly child: ChildProcess;
  /** Every line of stdout, as it came. */
  readonly lines: string[];
  readonly err: () => string;
  readonly say: (line: string | object) => void;
  /** The first line that fits, from the `from`th on; waits 10 s for it. */
  readonly heard: (fits: (line: string) => boolean, from?: number) => Promise<string>;
  /** Says it and gives the answer with its id. */
  readonly ask: (message: { readonly id: string | number } & Record<string, unknown>) => Promise<string>;
  readonly exit: Promise<number | null>;
}

export function front(url: string, key: string, args: readonly string[] = []): Front {
  const child = spawn(process.execPath, [MAIN, 'connect', '--url', url, ...args], { env: { ...process.env, SALLYPORT_KEY: key }, stdio: ['pipe', 'pipe', 'pipe'] });
  const lines: string[] = [];
  let rest = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const say = (line: string | object): void => void child.stdin.write(`${typeof line === 'string' ? line : JSON.stringify(line)}\n`);
  const heard: Front['heard'] = async (fits, from = 0) => {
    for (const end = Date.now() + 10_000; Date.now() < end;) {
      const found = lines.slice(from).find(fits);
      if (found !== undefined) return found;
      await new Promise((done) => setTimeout(done, 10));
    }
    throw new Error(`not heard: ${lines.join('\n')}\n${err}`);
  };
  return {
    child, lines, err: () => err, say, heard,
    ask: (message) => {
      const from = lines.length;
      say({ jsonrpc: '2.0', ...message });
      return heard((line) => { const { id, method } = JSON.parse(line) as { id?: unknown; method?: unknown }; return id === message.id && method === undefined; }, from);
    },
    exit: new Promise((done) => child.once('close', done)),
  };
}
