import type { Clock } from '../lib/clock.ts';
import type { ApproveConfig } from './config.ts';
import type { ApproverNow, CompileNarrowing } from './decide.ts';
import type { News } from './news.ts';
import type { Note } from './note.ts';
import type { People } from './people.ts';
import type { ApprovalStore, Records } from './records.ts';
import type { Similar } from './similar.ts';
import type { Slots } from './slots.ts';

/** What approvals need of the other rooms. */
export interface ApprovalsDeps {
  readonly store: ApprovalStore;
  readonly clock: Clock;
  /** Time that never goes back; see time.ts. */
  readonly now: () => number;
  readonly note: Note;
  readonly people: People;
  readonly approverNow: ApproverNow;
  readonly compileNarrowing: CompileNarrowing;
  readonly log: (message: string, fields?: object) => void;
}
/** What the acts of approvals share. */
export interface Desk extends ApprovalsDeps {
  readonly records: Records;
  readonly slots: Slots;
  readonly similar: Similar;
  readonly news: News;
  readonly config: ApproveConfig;
}
