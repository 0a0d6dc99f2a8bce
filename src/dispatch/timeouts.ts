import type { Risk } from '../call/target.ts';
import { compileGlob } from '../lib/glob.ts';
import type { DispatchConfig } from './config.ts';

/** How long a call of this tool may take, ms: its own setting if a glob matches (the first in the file), else by class. */
export function createTimeouts(config: DispatchConfig['timeouts']): (toolId: string, risk: Risk) => number {
  const own = Object.entries(config.tools).map(([glob, { timeout_ms }]) => ({ matches: compileGlob(glob), timeout_ms }));
  return (toolId, risk) => own.find((entry) => entry.matches(toolId))?.timeout_ms ?? (risk === 'discovery' || risk === 'read' ? config.read_ms : config.write_ms);
}
