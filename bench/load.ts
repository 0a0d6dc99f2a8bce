/**
 * Load on loopback, from raw keep-alive sockets: `node bench/load.ts '{"port":…,"path":…,"headers":{…},"body":…,"connections":64,"seconds":3,"rate":0}'`.
 * rate 0: each connection sends as soon as it is answered. rate N: N requests a second on a clock, latency counted from when each was due.
 */
import { connect, type Socket } from 'node:net';

interface Job { readonly port: number; readonly path: string; readonly headers: Record<string, string>; readonly body: string; readonly connections: number; readonly seconds: number; readonly rate: number }
const job = JSON.parse(process.argv[2] ?? '{}') as Job;
const head = Object.entries({ host: `127.0.0.1:${job.port}`, 'content-length': String(Buffer.byteLength(job.body)), ...job.headers }).map(([k, v]) => `${k}: ${v}`);
const REQUEST = Buffer.from(`POST ${job.path} HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n${job.body}`);
const END = Buffer.from('\r\n\r\n');

const latencies: number[] = [];
const failures: Record<string, number> = {};
const free: Line[] = [];
let stopping = false;

class Line {
  readonly socket: Socket;
  private pending: Buffer = Buffer.alloc(0);
  private due = 0;
  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.read(chunk as Buffer));
    socket.on('error', (error) => fail(error.message));
  }
  send(due: number): void {
    this.due = due;
    this.socket.write(REQUEST);
  }
  private read(chunk: Buffer): void {
    this.pending = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk]);
    const end = this.pending.indexOf(END);
    if (end < 0) return;
    const headers = this.pending.toString('latin1', 0, end).toLowerCase();
    const length = /content-length: (\d+)/.exec(headers)?.[1];
    const complete = length === undefined ? this.pending.indexOf('0\r\n\r\n', end) >= 0 : this.pending.length >= end + 4 + Number(length);
    if (!complete) return;
    if (!headers.startsWith('http/1.1 200')) fail(`${headers.slice(9, 12)} ${this.pending.toString('utf8', end + 4, end + 240)}`);
    this.pending = Buffer.alloc(0);
    latencies.push(performance.now() - this.due);
    if (stopping) return;
    if (job.rate === 0) this.send(performance.now());
    else free.push(this);
  }
}
function fail(what: string): void {
  failures[what] = (failures[what] ?? 0) + 1;
}

const lines = await Promise.all(Array.from({ length: job.connections }, () => new Promise<Line>((done, reject) => {
  const socket = connect(job.port, '127.0.0.1', () => done(new Line(socket)));
  socket.once('error', reject);
})));
const begun = performance.now();
if (job.rate === 0) for (const line of lines) line.send(performance.now());
else {
  free.push(...lines);
  let sent = 0;
  let missed = 0;
  const tick = (): void => {
    if (stopping) return;
    const owed = Math.floor(((performance.now() - begun) * job.rate) / 1000);
    for (; sent < owed; sent++) {
      const line = free.pop();
      if (line === undefined) { missed += owed - sent; sent = owed; break; }
      line.send(begun + (sent * 1000) / job.rate);
    }
    if (missed > 0) failures['no free connection'] = missed;
    setTimeout(tick, 1);
  };
  tick();
}
await new Promise((done) => setTimeout(done, job.seconds * 1000));
stopping = true;
const elapsed = (performance.now() - begun) / 1000;
latencies.sort((a, b) => a - b);
const at = (q: number): number => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))] ?? 0;
process.stdout.write(JSON.stringify({ calls: latencies.length, rps: latencies.length / elapsed, p50: at(0.5), p99: at(0.99), failures }));
process.exit(0);
