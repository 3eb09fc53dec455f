export { Client, type ClientOptions, type State } from "./client.js";
export { RealtimeError } from "./error.js";
export { isEvent, Log, type LogEvent, type LogOptions } from "./log.js";
export { type Change, type Condition, type Filter, Rows, type RowsOptions } from "./rows.js";
export type * from "./protocol.js";
export type { AnyEvent, Payloads } from "./events.js";
export type * as payloads from "./events.js";
