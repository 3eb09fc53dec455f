select queue_id, quantile_cont(queue_duration_ms, 0.5) as p50, quantile_cont(queue_duration_ms, 0.9) as p90, quantile_cont(queue_duration_ms, 0.99) as p99
from leg
group by queue_id
