select time_bucket(interval '30 minutes', entered_time) as half_hour, queue_id, count(*) as offered,
       count(*) filter (where outcome = 'answered' and queue_duration_ms <= 20000) as answered_in_time,
       count(*) filter (where outcome = 'abandoned') as abandoned
from leg
where site_id = '00000001-0000-4000-8000-000000000006' and entered_time >= timestamptz '2026-03-20 00:00:00+00' and entered_time < timestamptz '2026-03-21 00:00:00+00'
group by half_hour, queue_id
