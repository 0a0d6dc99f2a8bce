export { openStore } from './sqlite.ts';
export { StoreFault } from './folder.ts';
export type { Entry, Row, Store } from './port.ts';
