select site_id, queue_id, toDateTime64(toStartOfDay(entered_time), 6, 'UTC') as day, count(*) as offered,
       countIf(outcome = 'answered' and queue_duration_ms <= 20000) as answered_in_time,
       avg(queue_duration_ms) as mean_wait_ms
from leg
group by site_id, queue_id, day
order by offered desc, site_id, queue_id, day
limit 20
