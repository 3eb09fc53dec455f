select s.team_id, count(*) as handled, avg(l.talk_ms) as talk_ms
from (select * from leg where site_id = '00000001-0000-4000-8000-000000000006' and agent_id is not null
        and entered_time >= timestamptz '2026-03-24 00:00:00+00' and entered_time < timestamptz '2026-03-27 00:00:00+00') l
asof join agent_team s on l.agent_id = s.agent_id and l.entered_time >= s.valid_from
group by s.team_id
