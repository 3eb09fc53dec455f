select site_id, queue_id, date_trunc('day', entered_time) as day, count(*) as offered,
       count(*) filter (where outcome = 'answered' and queue_duration_ms <= 20000) as answered_in_time,
       avg(queue_duration_ms) as mean_wait_ms
from leg
group by site_id, queue_id, day
order by offered desc, site_id, queue_id, day
limit 20
