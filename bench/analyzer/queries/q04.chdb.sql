select queue_id, quantileExactInclusive(0.5)(queue_duration_ms) as p50, quantileExactInclusive(0.9)(queue_duration_ms) as p90, quantileExactInclusive(0.99)(queue_duration_ms) as p99
from leg
group by queue_id
