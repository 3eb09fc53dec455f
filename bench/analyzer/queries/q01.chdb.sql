select toDateTime64(toStartOfInterval(entered_time, INTERVAL 30 MINUTE), 6, 'UTC') as half_hour, queue_id, count(*) as offered,
       countIf(outcome = 'answered' and queue_duration_ms <= 20000) as answered_in_time,
       countIf(outcome = 'abandoned') as abandoned
from leg
where site_id = '00000001-0000-4000-8000-000000000006' and entered_time >= toDateTime64('2026-03-20 00:00:00', 6, 'UTC') and entered_time < toDateTime64('2026-03-21 00:00:00', 6, 'UTC')
group by half_hour, queue_id
