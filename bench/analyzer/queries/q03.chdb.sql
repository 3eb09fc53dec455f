select agent_id, count(*) as handled, avg(talk_ms + hold_ms + wrapup_ms) as handle_ms
from leg
where site_id = '00000001-0000-4000-8000-000000000006' and agent_id is not null and entered_time >= toDateTime64('2026-03-18 00:00:00', 6, 'UTC') and entered_time < toDateTime64('2026-03-25 00:00:00', 6, 'UTC')
group by agent_id
order by handled desc, agent_id
limit 50
