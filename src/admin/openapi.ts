import { ADMIN_FAULTS } from './faults.ts';
import { APPROVAL_STATES } from '../approve/index.ts';

const text = { type: 'string' };
const list = (items: object): object => ({ type: 'array', items });
const orNull = (type: string): object => ({ type: [type, 'null'] });
const object = (properties: Record<string, object>): object => ({ type: 'object', properties, required: Object.keys(properties) });
const json = (schema: object): object => ({ 'application/json': { schema } });
const refusals = (...prefixed: readonly string[]): object => Object.fromEntries(
  [...new Set(ADMIN_FAULTS.filter(({ code }) => prefixed.includes(code)).map(({ status }) => status))].map((status) => [String(status), {
    description: ADMIN_FAULTS.filter((row) => row.status === status && prefixed.includes(row.code)).map(({ code }) => code).join(', '), content: json({ $ref: '#/components/schemas/Fault' }),
  }]),
);
const SIGNED_IN = ['admin.unauthenticated', 'admin.rate', 'admin.unavailable', 'admin.headers', 'admin.host', 'admin.origin'];
const DECIDING = ['admin.unknown', 'admin.closed', 'admin.self', 'admin.not_approver', 'admin.already', 'admin.rationale', 'admin.narrowing', 'admin.body', 'admin.content_type', 'admin.too_large'];

const APPROVAL = object({
  id: text, state: { enum: APPROVAL_STATES },
  requester: object({ principal: text, caller: text, user: orNull('string'), identities: list(text) }),
  target: object({ id: text, server: orNull('string'), tool: orNull('string'), method: text, digest: orNull('string'), risk: text }),
  environment: orNull('string'), arguments_text: { ...text, description: 'Canonical JSON with every digit: exactly what will be executed. Untrusted.' }, arguments_bytes: { type: 'integer' },
  input_hash: text, policy_version: text, rule_ids: list(text), why: text, reason: { ...orNull('string'), description: 'The requester’s words. Untrusted.' }, ticket: orNull('string'),
  terms: list(object({ groups: list(text), quorum: { type: 'integer' }, approved: { type: 'integer' }, escalate: { anyOf: [object({ groups: list(text), at: text }), { type: 'null' }] }, may_still_decide: list(text) })),
  decisions: list(object({ by: text, identity: text, verdict: { enum: ['approve', 'deny'] }, rationale: text, at: text, channel: text, narrowing: orNull('object') })),
  similar: object({ approved: { type: 'integer' }, denied: { type: 'integer' }, last_at: orNull('string') }),
  group: text, created_at: text, expires_at: text, escalated_at: orNull('string'), closed_at: orNull('string'), seconds_left: { type: 'integer' }, on_yes: text,
});
const VERDICT = {
  type: 'object', additionalProperties: false, required: ['verdict', 'rationale'],
  properties: { verdict: { enum: ['approve', 'deny'] }, rationale: { type: 'string', minLength: 1, maxLength: 1_000 }, narrowing: { ...orNull('object'), description: 'Constraints in the argument language of policy; only with approve. Fewer arguments, never more.' } },
};
const id = { name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } };
const one = { description: 'The approval', content: json({ $ref: '#/components/schemas/Approval' }) };

const all = { name: 'all', in: 'query', description: 'Also what is over', schema: { enum: ['true', 'false'] } };
const GRANTING = ['admin.unknown', 'admin.closed', 'admin.self', 'admin.not_entitled', 'admin.grant', 'admin.body', 'admin.content_type', 'admin.too_large'];
const HELD = { id: text, state: { enum: ['live', 'ended', 'revoked'] }, by: text, from: text, until: text, ended_at: orNull('string'), ended_by: orNull('string') };
const GRANT = object({ ...HELD, why: text, rule: { type: 'object' } });
const EMERGENCY = object({ ...HELD, role: text, for: text, reason: text, review: { anyOf: [object({ by: text, at: text, finding: text }), { type: 'null' }] } });
const granted = { description: 'The grant', content: json({ $ref: '#/components/schemas/Grant' }) };
const activated = { description: 'The activation', content: json({ $ref: '#/components/schemas/Emergency' }) };

/** What `GET /openapi.json` answers (OpenAPI 3.1). */
export const OPENAPI = {
  openapi: '3.1.0',
  info: { title: 'Sallyport admin API', version: '1', description: 'For people who decide. Keys and tokens of agents mean nothing here.' },
  security: [{ admin: [] }],
  paths: {
    '/health': { get: { summary: 'The listener lives', security: [], responses: { 200: { description: 'It does', content: json(object({ status: text })) } } } },
    '/openapi.json': { get: { summary: 'This document', security: [], responses: { 200: { description: 'OpenAPI 3.1' } } } },
    '/approvals': {
      get: {
        summary: 'Approvals, newest first',
        parameters: [
          { name: 'state', in: 'query', schema: { enum: APPROVAL_STATES } },
          { name: 'mine', in: 'query', description: 'Only those that this admin may decide now', schema: { enum: ['true', 'false'] } },
          { name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 1_000 } },
        ],
        responses: { 200: { description: 'The list', content: json(object({ approvals: list({ $ref: '#/components/schemas/Approval' }) })) }, ...refusals(...SIGNED_IN, 'admin.body') },
      },
    },
    '/approvals/{id}': { get: { summary: 'One approval', parameters: [id], responses: { 200: one, ...refusals(...SIGNED_IN, 'admin.unknown') } } },
    '/approvals/{id}/decision': {
      post: { summary: 'Say yes or no', parameters: [id], requestBody: { required: true, content: json({ $ref: '#/components/schemas/Verdict' }) }, responses: { 200: one, ...refusals(...SIGNED_IN, ...DECIDING) } },
    },
    '/grants': {
      get: { summary: 'Grants, newest first', parameters: [all], responses: { 200: { description: 'The list', content: json(object({ grants: list({ $ref: '#/components/schemas/Grant' }) })) }, ...refusals(...SIGNED_IN, 'admin.body') } },
      post: { summary: 'Give a grant', requestBody: { required: true, content: json({ type: 'object', required: ['rule', 'why'], properties: { rule: { type: 'object', description: 'Keys of a policy rule: whom, what, where, arguments, needs, limits.' }, until: { type: 'string', format: 'date-time' }, lasts_ms: { type: 'integer' }, why: text } }) }, responses: { 200: granted, ...refusals(...SIGNED_IN, ...GRANTING) } },
    },
    '/grants/{id}/revoke': { post: { summary: 'End a grant at once', parameters: [id], requestBody: { required: true, content: json({ type: 'object', additionalProperties: false }) }, responses: { 200: granted, ...refusals(...SIGNED_IN, ...GRANTING) } } },
    '/break-glass': {
      get: { summary: 'Activations that hold or wait for their review, newest first', parameters: [all], responses: { 200: { description: 'The list', content: json(object({ break_glass: list({ $ref: '#/components/schemas/Emergency' }) })) }, ...refusals(...SIGNED_IN, 'admin.body') } },
      post: { summary: 'Activate a role for emergencies', requestBody: { required: true, content: json(object({ role: text, for: text, reason: text })) }, responses: { 200: activated, ...refusals(...SIGNED_IN, ...GRANTING) } },
    },
    '/break-glass/{id}/end': { post: { summary: 'End an activation before its time', parameters: [id], requestBody: { required: true, content: json({ type: 'object', additionalProperties: false }) }, responses: { 200: activated, ...refusals(...SIGNED_IN, ...GRANTING) } } },
    '/break-glass/{id}/close': { post: { summary: 'Close the review, as a second person', parameters: [id], requestBody: { required: true, content: json(object({ finding: text })) }, responses: { 200: activated, ...refusals(...SIGNED_IN, ...GRANTING) } } },
    '/callbacks/approvals': {
      post: {
        summary: 'A signed decision from a webhook’s receiver', security: [],
        parameters: ['Sallyport-Timestamp', 'Sallyport-Nonce', 'Sallyport-Signature'].map((name) => ({ name, in: 'header', required: true, schema: text })),
        requestBody: { required: true, content: json({ ...VERDICT, required: ['approval', ...VERDICT.required], properties: { approval: { type: 'string', format: 'uuid' }, ...VERDICT.properties } }) },
        responses: { 200: { description: 'Recorded', content: json(object({ id: text, state: text })) }, ...refusals('admin.signature', 'admin.rate', 'admin.unavailable', 'admin.headers', 'admin.host', 'admin.origin', ...DECIDING) },
      },
    },
    '/links/{token}': {
      parameters: [{ name: 'token', in: 'path', required: true, schema: text }],
      get: { summary: 'A page that shows what is asked; decides nothing', security: [], responses: { 200: { description: 'HTML' }, 404: { description: 'Unknown, used or over' } } },
      post: { summary: 'The form of that page; decides once', security: [], requestBody: { content: { 'application/x-www-form-urlencoded': { schema: object({ verdict: text, rationale: text }) } } }, responses: { 200: { description: 'HTML' }, 404: { description: 'Unknown, used or over' } } },
    },
  },
  components: {
    securitySchemes: { admin: { type: 'http', scheme: 'bearer', description: 'A key made with `sallyport admin create`, `spa_…`.' } },
    schemas: { Approval: APPROVAL, Grant: GRANT, Emergency: EMERGENCY, Verdict: VERDICT, Fault: object({ code: { enum: ADMIN_FAULTS.map(({ code }) => code) }, message: text }) },
  },
} as const;
