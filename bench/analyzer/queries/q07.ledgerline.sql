select count(*) as sessions
from (select entered_time, lag(end_time) over (partition by agent_id order by entered_time, leg_id) as before
      from leg
      where site_id = '00000001-0000-4000-8000-000000000006' and agent_id is not null) ordered
where before is null or entered_time > before + interval '30 minutes'
