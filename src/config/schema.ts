import { z } from 'zod';
import { adminConfig } from '../admin/config.ts';
import { approveConfig } from '../approve/config.ts';
import { auditConfig } from '../audit/config.ts';
import { authenticateConfig } from '../authenticate/config.ts';
import { authorizeConfig } from '../authorize/config.ts';
import { dispatchConfig } from '../dispatch/config.ts';
import { egressConfig } from '../egress/config.ts';
import { inspectConfig } from '../inspect/config.ts';
import { limitConfig } from '../limit/config.ts';
import { receiveConfig } from '../receive/config.ts';
import { resolveConfig } from '../resolve/config.ts';
import { sandboxConfig } from '../sandbox/config.ts';
import { storeConfig } from '../store/config.ts';
import { validateConfig } from '../validate/config.ts';

/** The whole file: a table of the rooms' own schemas, in the order of the corridor. An absent section stands at its defaults. */
export const configSchema = z.strictObject({
  receive: receiveConfig.prefault({}),
  authenticate: authenticateConfig.prefault({}),
  resolve: resolveConfig.prefault({}),
  authorize: authorizeConfig.prefault({}),
  validate: validateConfig.prefault({}),
  limit: limitConfig.prefault({}),
  approve: approveConfig.prefault({}),
  dispatch: dispatchConfig.prefault({}),
  inspect: inspectConfig.prefault({}),
  audit: auditConfig.prefault({}),
  admin: adminConfig.prefault({}),
  egress: egressConfig.prefault({}),
  sandbox: sandboxConfig.prefault({}),
  store: storeConfig.prefault({}),
});
/** The checked file, every default filled in, frozen. */
export type Config = z.output<typeof configSchema>;
