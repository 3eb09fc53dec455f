import type { Channel, Then } from "./channel.js";
import { RealtimeError } from "./error.js";
import type { ServerFrame, SubscribeFrame } from "./protocol.js";
import { Signal } from "./signal.js";

type Comparable = string | number;

/** What a column must be: a value, one of several, or compared with values. */
export type Condition<T> =
  | T
  | readonly T[]
  | {
      eq?: T;
      ne?: T;
      in?: readonly T[];
      lt?: T & Comparable;
      lte?: T & Comparable;
      gt?: T & Comparable;
      gte?: T & Comparable;
    };

/** Conditions on columns, all of which must hold. */
export type Filter<Row> = { [C in keyof Row]?: Condition<Row[C]> };

export interface RowsOptions<Row, C extends keyof Row> {
  filter?: Filter<Row>;
  /** Which columns; the key comes along. All when left out. */
  columns?: readonly C[];
  /** Most deltas a second, 0.1 to 50; 10 when left out. */
  maxHz?: number;
}

/** What became of the rows since the last change that was given. */
export interface Change<Row> {
  /** The rows are now those at this position. */
  position: number;
  /** Whether all rows were read anew: `upserts` are then all there are. */
  isReset: boolean;
  /** New and changed rows by key. */
  upserts: ReadonlyMap<string, Row>;
  /** Keys of rows that are gone. */
  deletes: ReadonlySet<string>;
}

type Listener<Row> = (change: Change<Row>) => void;

interface Pending<Row> {
  isReset: boolean;
  upserts: Map<string, Row>;
  deletes: Set<string>;
}

/**
 * The rows of a live dataset, kept current. Looped over, it gives changes; a loop that is slow gets several as one,
 * so that nothing piles up.
 */
export class Rows<Row extends object> implements Channel, AsyncIterable<Change<Row>> {
  #rows = new Map<string, Row>();
  #staged: Map<string, Row> | undefined;
  #key: readonly string[] = [];
  #position = 0;
  #isWhole = false;
  #isCurrent = false;
  #token: string | undefined;
  #ended = false;
  #error: RealtimeError | undefined;
  #moved = new Signal();
  #listeners = new Set<Listener<Row>>();
  readonly #request: Omit<SubscribeFrame, "type" | "id">;
  readonly #leave: () => void;

  /** @internal */
  constructor(request: Omit<SubscribeFrame, "type" | "id">, leave: () => void) {
    this.#request = request;
    this.#leave = leave;
  }

  /** The rows by key: the JSON array of the key columns' values. */
  get rows(): ReadonlyMap<string, Row> {
    return this.#rows;
  }

  /** The rows are those at this position. */
  get position(): number {
    return this.#position;
  }

  /** Whether a snapshot was read to its end; before that there are no rows. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Whether the server keeps the rows current now; false while the connection is broken. */
  get isCurrent(): boolean {
    return this.#isCurrent;
  }

  /** Calls back with every change from now on; returns what ends that. */
  onChange(listener: (change: Change<Row>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when the rows are those at a position or after it; rejects when they never will be. */
  async reached(position = 0): Promise<void> {
    while (!this.#isWhole || this.#position < position) {
      if (this.#ended) {
        throw this.#error ?? new RealtimeError("unavailable", "the subscription was closed");
      }
      await this.#moved.wait();
    }
  }

  /** Ends the subscription; loops over it end. */
  close(): void {
    this.#leave();
    this.end();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Change<Row>> {
    const whole = (): Pending<Row> => ({ isReset: true, upserts: new Map(this.#rows), deletes: new Set() });
    let pending: Pending<Row> | undefined = this.#isWhole ? whole() : undefined;
    const stop = this.onChange((change) => {
      if (change.isReset || pending === undefined) {
        const { isReset, upserts, deletes } = change;
        pending = { isReset, upserts: new Map(upserts), deletes: new Set(deletes) };
        return;
      }
      for (const [key, row] of change.upserts) {
        pending.upserts.set(key, row);
        pending.deletes.delete(key);
      }
      for (const key of change.deletes) {
        pending.upserts.delete(key);
        if (!pending.isReset) {
          pending.deletes.add(key);
        }
      }
    });
    try {
      while (true) {
        if (pending !== undefined) {
          const { isReset, upserts, deletes }: Pending<Row> = pending;
          pending = undefined;
          yield { position: this.#position, isReset, upserts, deletes };
        } else if (this.#error !== undefined) {
          throw this.#error;
        } else if (this.#ended) {
          return;
        } else {
          await this.#moved.wait();
        }
      }
    } finally {
      stop();
    }
  }

  /** @internal */
  wanted(): Omit<SubscribeFrame, "type" | "id"> {
    return this.#token === undefined ? this.#request : { ...this.#request, resume: this.#token };
  }

  /** @internal */
  take(frame: ServerFrame): Then {
    switch (frame.type) {
      case "snapshot_begin":
        this.#key = frame.key;
        this.#staged = new Map();
        return "go_on";
      case "rows":
        for (const row of frame.rows) {
          this.#staged?.set(this.#keyOf(row), row as Row);
        }
        return "go_on";
      case "snapshot_end": {
        // Whoever looks at the rows in between sees those of one position.
        this.#rows = this.#staged ?? new Map();
        this.#staged = undefined;
        this.#isWhole = true;
        this.#at(frame.position, frame.token);
        this.#tell(true, new Map(this.#rows), new Set());
        return "go_on";
      }
      case "delta": {
        if (!this.#isWhole || frame.from !== this.#position) {
          this.#token = undefined;
          this.#isCurrent = false;
          return "restart";
        }
        const upserts = new Map<string, Row>();
        for (const row of frame.upserts) {
          upserts.set(this.#keyOf(row), row as Row);
        }
        const deletes = new Set(frame.deletes.map((row) => this.#keyOf(row)));
        for (const [key, row] of upserts) {
          this.#rows.set(key, row);
        }
        for (const key of deletes) {
          this.#rows.delete(key);
        }
        this.#at(frame.to, frame.token);
        this.#tell(false, upserts, deletes);
        return "go_on";
      }
      case "progress":
        this.#at(frame.position, frame.token);
        this.#moved.wake();
        return "go_on";
      case "resync":
        // The rows stay to be looked at, out of date, until the snapshot is there, unless they may no longer be seen.
        this.interrupted();
        this.#token = undefined;
        if (frame.reason === "policy_changed") {
          this.#rows = new Map();
          this.#isWhole = false;
        }
        return "again";
      default:
        return "go_on";
    }
  }

  /** @internal */
  interrupted(): void {
    this.#isCurrent = false;
    this.#staged = undefined;
  }

  /** @internal */
  end(error?: RealtimeError): void {
    this.interrupted();
    this.#ended = true;
    this.#error ??= error;
    this.#moved.wake();
  }

  #at(position: number, token: string): void {
    this.#position = position;
    this.#token = token;
    this.#isCurrent = true;
  }

  #tell(isReset: boolean, upserts: Map<string, Row>, deletes: Set<string>): void {
    const change = { position: this.#position, isReset, upserts, deletes };
    for (const listener of [...this.#listeners]) {
      listener(change);
    }
    this.#moved.wake();
  }

  #keyOf(row: Record<string, unknown>): string {
    return JSON.stringify(this.#key.map((name) => row[name]));
  }
}
