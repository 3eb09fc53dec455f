select toStartOfDay(entered_time) as day, site_id, uniqCombined64(agent_id) as agents
from leg
group by day, site_id
