import { configSchema } from './schema.ts';
import { jsonSchemaOf } from './json-schema.ts';
import { referenceOf } from './reference.ts';

export { authorizeDrafts } from './cross.ts';
export { type Document, readDocument } from './document.ts';
export { type ConfigFault, type Draft, formatFault } from './fault.ts';
export { importConfig } from './import.ts';
export { type Loaded, loadConfig, parseConfig, readText } from './load.ts';
export { tableOf } from './reference.ts';
export type { Config } from './schema.ts';

/** JSON Schema 2020-12 of the config file, for editors: what `config schema` prints. */
export const configJsonSchema = (): object => jsonSchemaOf(configSchema);
/** The Markdown of docs/reference/configuration.md: what `config docs` prints. */
export const configReference = (): string => referenceOf(configSchema);
