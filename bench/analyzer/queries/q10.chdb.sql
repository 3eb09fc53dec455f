select toDateTime64(toStartOfDay(entered_time), 6, 'UTC') as day, site_id, uniqCombined64(agent_id) as agents
from leg
group by day, site_id
