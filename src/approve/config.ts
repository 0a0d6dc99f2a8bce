import { z } from 'zod';

/** Nothing to set yet: which tools need a person is policy (`authorize`), the flow of approvals comes with its own release. */
export const approveConfig = z.strictObject({}).describe('Approval by a person. No settings yet: tools that need it are refused.');
export type ApproveConfig = z.infer<typeof approveConfig>;
