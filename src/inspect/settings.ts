import type { Target } from '../call/target.ts';
import { compileGlob } from '../lib/glob.ts';
import type { InspectConfig } from './config.ts';

/** What holds for one target. */
export interface Settings {
  readonly action: 'flag' | 'wrap' | 'refuse';
  readonly threshold: number;
  readonly maxBytes: number;
  readonly maxDiscoveryBytes: number;
  readonly classification: 'public' | 'internal' | 'confidential' | 'secret';
}

/** Targets are as many as tools; a bound all the same. */
const KEPT = 10_000;

/** The settings by target: the tool’s glob goes before the server, the server before the rest. Looked up once per target. */
export function createSettings(config: InspectConfig): (target: Target) => Settings {
  const tools = Object.entries(config.tools).map(([glob, settings]) => ({ matches: compileGlob(glob), settings }));
  const kept = new Map<string, Settings>();
  return (target) => {
    const known = kept.get(target.id);
    if (known !== undefined) return known;
    const tool = tools.find((entry) => entry.matches(target.id))?.settings;
    const server = target.server !== null && Object.hasOwn(config.servers, target.server) ? config.servers[target.server] : undefined;
    const settings: Settings = {
      action: server?.action ?? config.action, threshold: config.threshold, maxBytes: tool?.max_bytes ?? server?.max_bytes ?? config.max_bytes,
      maxDiscoveryBytes: config.max_discovery_bytes, classification: server?.classification ?? config.classification,
    };
    if (kept.size >= KEPT) kept.clear();
    kept.set(target.id, settings);
    return settings;
  };
}
