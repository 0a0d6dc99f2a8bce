export { openAudit } from './open.ts';
export type { Audit, AuditDeps, EarlyRefusal } from './open.ts';
export { BrokenChain } from './recover.ts';
export type { AuditFields, AuditRecord } from './fields.ts';
export { readLastCheckpoint, verifyAudit } from './verify.ts';
export type { BadRecord, VerifyOptions, VerifyReport } from './verify.ts';
export { exportAudit, queryAudit, tailAudit } from './query.ts';
export type { AuditFilter, TailOptions, Write } from './query.ts';
