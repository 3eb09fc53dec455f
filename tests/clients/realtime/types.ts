// What a program in TypeScript sees of the package: checked, never run. A line under @ts-expect-error must be wrong.
import { type Change, Client, isEvent, type payloads, type QueueLive, type Rows } from "@ledgerline/realtime";

export async function everything(): Promise<void> {
  const client = new Client({ url: "http://127.0.0.1:8080", token: () => "…" });

  const queues = client.rows("queue_live", { filter: { channel_type: ["voice", "chat"], in_queue_now: { gte: 5 } } });
  const whole: Rows<QueueLive> = queues;
  for (const row of whole.rows.values()) {
    const waiting: number = row.in_queue_now;
    const name: string | null = row.queue_name;
    // @ts-expect-error a name may be missing
    const always: string = row.queue_name;
    // @ts-expect-error no such column
    row.no_such_column;
    console.log(waiting, name, always);
  }

  const chosen = client.rows("queue_live", { columns: ["queue_name"] });
  for await (const change of chosen) {
    const seen: Change<{ queue_id: string; queue_name: string | null }> = change;
    // @ts-expect-error was not chosen
    seen.upserts.get("")?.in_queue_now;
  }

  // @ts-expect-error no such dataset
  client.rows("queue_dead");
  // @ts-expect-error no such column
  client.rows("agent_live", { columns: ["queue_name"] });
  // @ts-expect-error a number is asked for
  client.rows("queue_live", { filter: { in_queue_now: "many" } });

  for await (const event of client.events({ after: 0, filter: { type: "queue." } })) {
    if (isEvent(event, "queue.entered")) {
      const payload: payloads.QueueEntered = event.data;
      const leg: number = payload.leg_no;
      console.log(event.position, leg);
    }
    // @ts-expect-error no such event
    isEvent(event, "queue.exploded");
  }
  client.close();
}
