import { z } from 'zod';
import { approveConfig } from '../approve/config.ts';
import { auditConfig } from '../audit/config.ts';
import { authenticateConfig } from '../authenticate/config.ts';
import { authorizeConfig } from '../authorize/config.ts';
import { dispatchConfig } from '../dispatch/config.ts';
import { limitConfig } from '../limit/config.ts';
import { receiveConfig } from '../receive/config.ts';
import { resolveConfig } from '../resolve/config.ts';
import { sandboxConfig } from '../sandbox/config.ts';
import { storeConfig } from '../store/config.ts';

/** The whole file: a table of the rooms' own schemas, in the order of the corridor. An absent section stands at its defaults. */
export const configSchema = z.strictObject({
  receive: receiveConfig.prefault({}),
  authenticate: authenticateConfig.prefault({}),
  resolve: resolveConfig.prefault({}),
  authorize: authorizeConfig.prefault({}),
  limit: limitConfig.prefault({}),
  approve: approveConfig.prefault({}),
  dispatch: dispatchConfig.prefault({}),
  audit: auditConfig.prefault({}),
  sandbox: sandboxConfig.prefault({}),
  store: storeConfig.prefault({}),
});
/** The checked file, every default filled in, frozen. */
export type Config = z.output<typeof configSchema>;
