select site_id, queue_id, hist_quantile(hist_agg(queue_duration_ms), 0.9) as p90
from leg
group by site_id, queue_id
