/** The yardstick: node:http in, undici dispatch out, streamed, no thought. `node bench/bare.ts UPSTREAM_PORT`; prints its port. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';

const pool = new Pool(`http://127.0.0.1:${process.argv[2]}`, { connections: 256, pipelining: 1 });
const server = createServer((req, res) => {
  const { connection: _connection, host: _host, ...headers } = req.headers;
  pool.dispatch({ path: req.url ?? '/', method: req.method as 'POST', headers: headers as Record<string, string>, body: req }, {
    onRequestStart() {},
    onResponseStart(_controller, status, answered) {
      const { connection: _c, 'keep-alive': _k, ...rest } = answered;
      res.writeHead(status, rest);
    },
    onResponseData(_controller, chunk) { res.write(chunk); },
    onResponseEnd() { res.end(); },
    onResponseError() { res.destroy(); },
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
