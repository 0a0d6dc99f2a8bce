// Preloaded into the demo's HTTP server, which would otherwise listen on every interface of this machine without authentication.
import { Server } from 'node:net';

const listen = Server.prototype.listen;
Server.prototype.listen = function (port, ...rest) {
  const host = typeof port === 'object' ? [{ ...port, host: '127.0.0.1' }] : [port, '127.0.0.1'];
  return listen.call(this, ...host, ...rest.filter((value) => typeof value === 'function'));
};
