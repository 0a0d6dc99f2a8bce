export { openStore } from './sqlite.ts';
export type { Entry, Row, Store } from './port.ts';
