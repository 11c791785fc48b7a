-- the last position of the arrival log; counted here, so that it has no holes and both engines count alike
INSERT INTO meta(name, value)
 SELECT 'arrival', COALESCE(MAX(position), 0)
 FROM (SELECT position FROM arrival UNION ALL SELECT position FROM follower) AS known
