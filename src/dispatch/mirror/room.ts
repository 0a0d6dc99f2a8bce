import type { Room } from '../room.ts';
import type { Tasks } from './tasks.ts';

/** The dispatch room as this lane sees it. */
export interface MirrorRoom extends Room {
  readonly tasks: Tasks;
  /** The server says that it has tasks, or has made one. */
  readonly hasTasks: (server: string) => boolean;
}
