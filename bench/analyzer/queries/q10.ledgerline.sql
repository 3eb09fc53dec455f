select date_trunc('day', entered_time) as day, site_id, approx_distinct(agent_id) as agents
from leg
group by day, site_id
