/** Where a server stands, as the operator says under `dispatch.servers`; null: not said. */
export interface Place {
  readonly environment: string | null;
  readonly region: string | null;
  readonly tenant: string | null;
}
export const NOWHERE: Place = Object.freeze({ environment: null, region: null, tenant: null });
