select site_id, queue_id, quantileTDigest(0.9)(queue_duration_ms) as p90
from leg
group by site_id, queue_id
