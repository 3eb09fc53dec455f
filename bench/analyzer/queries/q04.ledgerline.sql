select queue_id, percentile_exact(queue_duration_ms, 0.5) as p50, percentile_exact(queue_duration_ms, 0.9) as p90, percentile_exact(queue_duration_ms, 0.99) as p99
from leg
group by queue_id
