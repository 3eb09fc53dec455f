select site_id, queue_id, approx_quantile(queue_duration_ms, 0.9) as p90
from leg
group by site_id, queue_id
