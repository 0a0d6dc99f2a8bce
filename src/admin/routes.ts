import { APPROVAL_STATES, type ApprovalFilter } from '../approve/index.ts';
import type { Asked, RouteDeps } from './asked.ts';
import { readCallback, readForm, readVerdict, say } from './decide.ts';
import { activateRole, closeReview, endRole, giveGrant, listEmergencies, listGrants, revokeGrant } from './grants.ts';
import { type Answer, refused, rowOf } from './faults.ts';
import { type Heads, isForm, isJson, isOwnPage } from './heads.ts';
import type { Opened } from './links.ts';
import { OPENAPI } from './openapi.ts';
import { askPage, sayPage } from './page.ts';
import { viewOf } from './view.ts';

export interface Route {
  readonly method: 'GET' | 'POST';
  /** key: an admin key comes first. link, callback: proved by the URL or the signature. open: nothing is told that is worth proof. */
  readonly proof: 'key' | 'link' | 'callback' | 'open';
  /** May stand behind `?`. */
  readonly query: readonly string[];
  readonly body: 'none' | 'json' | 'form';
  readonly run: (asked: Asked, deps: RouteDeps) => Promise<Answer> | Answer;
}
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const GET = { method: 'GET', query: [], body: 'none' } as const;
const HEALTH: Route = { ...GET, proof: 'open', run: () => ({ status: 200, body: { status: 'ok' } }) };
const DOCUMENT: Route = { ...GET, proof: 'open', run: () => ({ status: 200, body: OPENAPI }) };
const LIST: Route = { ...GET, proof: 'key', query: ['state', 'mine', 'limit'], run: list };
const CALLBACK: Route = { method: 'POST', proof: 'callback', query: [], body: 'json', run: callback };

/** A person's act by JSON body. */
const act = (run: Route['run']): Route => ({ method: 'POST', proof: 'key', query: [], body: 'json', run });
const GRANTS: readonly Route[] = [{ ...GET, proof: 'key', query: ['all'], run: listGrants }, act(giveGrant)];
const EMERGENCIES: readonly Route[] = [{ ...GET, proof: 'key', query: ['all'], run: listEmergencies }, act(activateRole)];
function temporaryAt(first: string | undefined, id: string, verb: string | undefined): readonly Route[] {
  if (first === 'grants' && verb === 'revoke') return [act((asked, deps) => revokeGrant(id, asked, deps))];
  if (first !== 'break-glass') return [];
  return verb === 'end' ? [act((asked, deps) => endRole(id, asked, deps))] : verb === 'close' ? [act((asked, deps) => closeReview(id, asked, deps))] : [];
}

/** The endpoints at a path; empty: none. Exact text: no decoding, no dots, no trailing slash (CWE-22, CWE-436). */
export function routesAt(path: string): readonly Route[] {
  if (path === '/health') return [HEALTH];
  if (path === '/openapi.json') return [DOCUMENT];
  if (path === '/approvals') return [LIST];
  if (path === '/grants') return GRANTS;
  if (path === '/break-glass') return EMERGENCIES;
  if (path === '/callbacks/approvals') return [CALLBACK];
  const [, first, second = '', third, ...more] = path.split('/');
  if (more.length > 0 || second === '') return [];
  if (first === 'links' && third === undefined) return [{ ...GET, proof: 'link', run: (_asked, deps) => look(second, deps) }, { method: 'POST', proof: 'link', query: [], body: 'form', run: (asked, deps) => follow(second, asked, deps) }];
  if (!UUID.test(second)) return [];
  if (first !== 'approvals') return temporaryAt(first, second, third);
  if (third === undefined) return [{ ...GET, proof: 'key', run: (_asked, deps) => show(second, deps) }];
  return third === 'decision' ? [{ method: 'POST', proof: 'key', query: [], body: 'json', run: (asked, deps) => decide(second, asked, deps) }] : [];
}
/** A fault of the body's kind, or null. */
export function bodyFault(route: Route, heads: Heads): Answer | null {
  if (route.body === 'none') return null;
  const fits = route.body === 'json' ? isJson(heads['content-type']) : isForm(heads['content-type']) && isOwnPage(heads);
  return fits && (heads['content-encoding'] ?? 'identity') === 'identity' ? null : refused('admin.content_type');
}

async function list({ query, person }: Asked, { approvals, keys, clock }: RouteDeps): Promise<Answer> {
  const state = query.get('state');
  const mine = query.get('mine') ?? 'false';
  const limit = Number(query.get('limit') ?? 100);
  const known = APPROVAL_STATES.find((one) => one === state);
  if ((state !== null && known === undefined) || !/^(?:true|false)$/.test(mine) || !Number.isInteger(limit) || limit < 1 || limit > 1_000) return refused('admin.body');
  const filter: ApprovalFilter = { limit, ...(known === undefined ? {} : { state: known }), ...(mine === 'true' && person !== null ? { decidableBy: person } : {}) };
  const [found, people] = await Promise.all([approvals.list(filter), keys.people()]);
  return { status: 200, body: { approvals: found.map((one) => viewOf(one, people, clock.now())) } };
}

async function show(id: string, { approvals, keys, clock }: RouteDeps): Promise<Answer> {
  const found = await approvals.get(id);
  return found === null ? refused('admin.unknown') : { status: 200, body: viewOf(found, await keys.people(), clock.now()) };
}

async function decide(id: string, { heads, body, person }: Asked, deps: RouteDeps): Promise<Answer> {
  const given = readVerdict(body);
  if (given === null) return refused('admin.body');
  if (person === null) return refused('admin.unauthenticated');
  const channel = heads['user-agent']?.startsWith('sallyport-cli/') === true ? 'cli' : 'api';
  return (await say(deps.approvals, id, person, given, channel)) ?? (await show(id, deps));
}

/** GET never decides: scanners and previews of chat programs follow links. */
async function look(sealed: string, deps: RouteDeps, wrong: string | null = null): Promise<Answer> {
  const link = await deps.links.open(sealed);
  const found = link === null ? null : await deps.approvals.get(link.requestId);
  if (link === null || found === null || found.state !== 'pending') return gone(404);
  return { status: wrong === null ? 200 : 400, html: askPage(viewOf(found, await deps.keys.people(), deps.clock.now()), link.person.user, wrong) };
}
const gone = (status: number): Answer => ({ status, html: sayPage('Nothing to decide here', rowOf('admin.link').says) });

async function follow(sealed: string, { body }: Asked, deps: RouteDeps): Promise<Answer> {
  const link = await deps.links.open(sealed);
  if (link === null) return gone(404);
  const given = readForm(body);
  if (given === null || given.rationale.trim() === '') return await look(sealed, deps, 'Say yes or no, and why.');
  // Used up before anybody decides by it, so that a race or a crash can never let it count twice.
  if (!(await deps.links.use(link))) return gone(404);
  return await decideByLink(link, given, deps);
}
async function decideByLink(link: Opened, given: NonNullable<ReturnType<typeof readForm>>, deps: RouteDeps): Promise<Answer> {
  const wrong = await say(deps.approvals, link.requestId, link.person, given, 'link');
  if (wrong === null) return { status: 200, html: sayPage('Recorded', given.verdict === 'approve' ? 'You said yes. The call may run once when enough people have said so and the caller repeats it.' : 'You said no. The call will not run.') };
  if (!('refused' in wrong)) return wrong;
  const row = rowOf(wrong.refused);
  return { status: row.status, html: sayPage('Not recorded', `${wrong.says ?? row.says} This link is used up; decide with sallyport approvals.`) };
}

async function callback({ heads, body }: Asked, deps: RouteDeps): Promise<Answer> {
  const person = await deps.callback(heads, body);
  if (person === null) return refused('admin.signature');
  const given = readCallback(body);
  if (given === null) return refused('admin.body');
  const { approval, ...said } = given;
  return (await say(deps.approvals, approval, person, said, 'webhook')) ?? { status: 200, body: { id: approval, state: (await deps.approvals.get(approval))?.state ?? 'unknown' } };
}
