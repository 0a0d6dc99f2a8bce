import { z } from 'zod';
import { RATE_PATTERN } from '../lib/rate.ts';

const rate = z.string().regex(RATE_PATTERN, 'write it as "30/minute", "10/second burst 20" (second, minute, hour or day)');
const many = z.number().int().min(1).max(1_000_000);

const classes = z.strictObject({
  discovery: rate.default('600/minute').describe('Calls of class discovery per caller and target.'),
  read: rate.default('60/minute').describe('Calls of class read per caller and tool.'),
  read_log: rate.default('20/minute').describe('Calls of class read whose tool’s name has the word `log` or `logs`, per caller and tool.'),
  read_search: rate.default('30/minute').describe('Calls of class read whose tool’s name has the word `search`, per caller and tool.'),
  write: rate.default('30/minute').describe('Calls of class write per caller and tool.'),
  external: rate.default('20/minute').describe('Calls of class external per caller and tool.'),
  destructive: rate.default('5/minute').describe('Calls of class destructive per caller and tool.'),
  admin: rate.default('5/minute').describe('Calls of class admin per caller and tool.'),
});

const rates = z.strictObject({
  classes: classes.prefault({}).describe('The rate of each risk class, per caller and tool: at most so many calls in any such span of time.'),
  tools: z.record(z.string().min(1), rate).default({})
    .describe('Rates for tools by glob over `server__tool`, in place of the class’s rate; the first glob that matches counts.'),
  callers: z.record(z.string().min(1), rate).default({ '*': '3000/minute' })
    .describe('Rates for all messages of one caller together, by glob over the caller’s name; the first that matches counts.'),
});

const concurrency = z.strictObject({
  default: many.default(64).describe('How many calls one server runs at once; more are refused.'),
  servers: z.record(z.string().min(1), many).default({}).describe('The same per server, by its name.'),
  streams_per_caller: many.default(32).describe('How many event streams one caller may hold open.'),
  streams: many.default(1024).describe('How many event streams all callers together may hold open.'),
});

/** Section `limit`. */
export const limitConfig = z.strictObject({
  rates: rates.prefault({}).describe('How often: `N/second`, `N/minute`, `N/hour` or `N/day`: at most N calls in any such span. `burst B` after it: at most B calls in any B/N of the span.'),
  concurrency: concurrency.prefault({}).describe('How many at once.'),
  max_buckets: many.default(50_000).describe('How many counters are kept in memory. When all are in use, new callers and tools are refused until one falls idle; none is forgotten while it counts.'),
}).describe('Rates and concurrency.');
export type LimitConfig = z.infer<typeof limitConfig>;
