import { z } from 'zod';

const MIB = 1_048_576;
const action = z.enum(['flag', 'wrap', 'refuse']);
const classification = z.enum(['public', 'internal', 'confidential', 'secret']);
const bytes = z.number().int().min(1_024).max(256 * MIB);

const server = z.strictObject({
  action: action.optional().describe('What happens to results of this server, in place of inspect.action.'),
  max_bytes: bytes.optional().describe('The largest result of this server, bytes, in place of inspect.max_bytes.'),
  classification: classification.optional().describe('How results of this server are labelled, in place of inspect.classification.'),
});
const tool = z.strictObject({
  max_bytes: bytes.optional().describe('The largest result of these tools, bytes; goes before the server’s.'),
});

/** Section `inspect`. */
export const inspectConfig = z.strictObject({
  action: action.default('flag').describe('flag: findings are recorded, bytes pass unchanged. wrap: texts are wrapped with their origin and hidden characters are removed. refuse: results over the threshold are withheld. Default flag.'),
  threshold: z.number().int().min(1).max(50).default(5).describe('From which score on a result counts as an attempt to instruct the model. Default 5: one certain sign, or several weak ones close together.'),
  max_bytes: bytes.default(MIB).describe('The largest result, bytes; larger ones are cut so that they stay valid, or refused. Default 1048576.'),
  max_discovery_bytes: bytes.default(16 * MIB).describe('The largest list or handshake answer, bytes; larger ones are refused. Default 16777216.'),
  classification: classification.default('internal').describe('How results are labelled. A result with a secret in it is always labelled secret. Default internal.'),
  servers: z.record(z.string().min(1), server).default({}).describe('Settings by server name.'),
  tools: z.record(z.string().min(1), tool).default({}).describe('Settings by glob over `server__tool`; the first that matches counts.'),
}).describe('What is checked in results.');
export type InspectConfig = z.infer<typeof inspectConfig>;
